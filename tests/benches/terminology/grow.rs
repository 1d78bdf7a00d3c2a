//! A made-up code system: names of three to five words of which some are common and most are
//! rare, a hierarchy in which each concept has ten below it and some have two parents, a property
//! with 26 values, and one in twenty no longer in use.

use crate::Result;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

pub const SYSTEM: &str = "http://bench/codes";
/// Different words.
const WORDS: u64 = 20_000;

/// A number that looks like chance, the same in each run.
fn chance(of: u64) -> u64 {
    let mut z = of.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A word by its rank: rank 0 is in one name of eight.
pub fn word(rank: u64) -> String {
    const ONSETS: [&str; 16] = [
        "b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "st", "tr",
    ];
    const VOWELS: [&str; 5] = ["a", "e", "i", "o", "u"];
    let mut rest = chance(rank) | 1 << 40;
    let mut text = String::new();
    for _ in 0..3 {
        text.push_str(ONSETS[(rest % 16) as usize]);
        text.push_str(VOWELS[(rest / 16 % 5) as usize]);
        rest /= 80;
    }
    text.push_str(&format!("{rank:x}"));
    text
}

/// The words of a concept's name.
fn name(number: u32) -> String {
    let seed = u64::from(number) * 8;
    let count = 3 + chance(seed) % 3;
    let words = (1..=count).map(|at| {
        let x = chance(seed + at) as f64 / u64::MAX as f64;
        // The rank falls off so that the first words are common and the tail is long.
        word(((WORDS as f64).powf(x) - 1.0) as u64)
    });
    words.collect::<Vec<_>>().join(" ")
}

pub fn code(number: u32) -> String {
    format!("C{number:07}")
}

pub fn write(path: &Path, concepts: u32) -> Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    writeln!(file, "code,display,parent,inactive,designation:de,kind")?;
    for number in 0..concepts {
        let parent = match number {
            0 => String::new(),
            _ if number % 17 == 0 && number > 20 => {
                format!("{}|{}", code(number / 10), code(number / 20))
            }
            _ => code(number / 10),
        };
        let german = match number % 3 {
            0 => format!("{} {}", word(u64::from(number) % WORDS), number),
            _ => String::new(),
        };
        let kind = char::from(b'a' + (chance(u64::from(number)) % 26) as u8);
        let inactive = if number % 20 == 19 { "true" } else { "" };
        writeln!(
            file,
            "{},{},{parent},{inactive},{german},{kind}",
            code(number),
            name(number)
        )?;
    }
    Ok(file.flush()?)
}
