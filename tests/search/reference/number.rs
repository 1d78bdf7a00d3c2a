//! Exact numbers, the slow way: fractions of two whole numbers of any length.
//! <https://hl7.org/fhir/R4/search.html#number>
//!
//! No floating point, no scale, no rounding: two fractions are compared by multiplying
//! crosswise, digit by digit. What a literal stands for beside its value is the half of its
//! last place.

use std::cmp::Ordering;

/// The digits of a whole number, the least significant first, without leading zeros.
type Digits = Vec<u8>;

/// `±top / bottom`.
#[derive(Clone, Debug)]
pub struct Number {
    negative: bool,
    top: Digits,
    bottom: Digits,
}

/// A number, or an end that is open. The order of the variants is their order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bound {
    Below,
    At(Number),
    Above,
}

impl Number {
    /// Reads `-?d+(.d+)?([eE][+-]?d+)?`; also gives the half of the last place.
    pub fn parse(text: &str) -> Option<(Number, Number)> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (rest, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((_, "")) => return None,
            Some((whole, fraction)) => (whole, fraction),
            None => (mantissa, ""),
        };
        let digits = format!("{whole}{fraction}");
        let all_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !all_digits || exponent.abs() > 900 {
            return None;
        }
        let places = i32::try_from(fraction.len()).ok()? - exponent;
        let of = |text: &str| digits_of(text);
        let number = Number::scaled(negative, of(&digits), places);
        Some((number, Number::scaled(false, of("5"), places + 1)))
    }

    /// `digits × 10^-places`
    fn scaled(negative: bool, digits: Digits, places: i32) -> Number {
        let power = |exponent: i32| {
            let zeros = usize::try_from(exponent.max(0)).unwrap_or_default();
            digits_of(&format!("1{}", "0".repeat(zeros)))
        };
        Number {
            negative: negative && !digits.is_empty(),
            top: multiply(&digits, &power(-places)),
            bottom: power(places),
        }
    }

    pub fn plus(&self, other: &Number) -> Number {
        let left = multiply(&self.top, &other.bottom);
        let right = multiply(&other.top, &self.bottom);
        let bottom = multiply(&self.bottom, &other.bottom);
        let (negative, top) = if self.negative == other.negative {
            (self.negative, add(&left, &right))
        } else if compare(&left, &right) == Ordering::Less {
            (other.negative, subtract(&right, &left))
        } else {
            (self.negative, subtract(&left, &right))
        };
        Number {
            negative: negative && !top.is_empty(),
            top,
            bottom,
        }
    }

    pub fn minus(&self, other: &Number) -> Number {
        self.plus(&Number {
            negative: !other.negative,
            ..other.clone()
        })
    }

    pub fn times(&self, other: &Number) -> Number {
        let top = multiply(&self.top, &other.top);
        Number {
            negative: self.negative != other.negative && !top.is_empty(),
            top,
            bottom: multiply(&self.bottom, &other.bottom),
        }
    }

    /// A tenth of the size, without the sign.
    pub fn tenth(&self) -> Number {
        Number {
            negative: false,
            top: self.top.clone(),
            bottom: multiply(&self.bottom, &digits_of("10")),
        }
    }
}

fn digits_of(text: &str) -> Digits {
    let text = text.trim_start_matches('0');
    text.bytes().rev().map(|byte| byte - b'0').collect()
}

fn trimmed(mut digits: Digits) -> Digits {
    while digits.last() == Some(&0) {
        digits.pop();
    }
    digits
}

fn compare(left: &Digits, right: &Digits) -> Ordering {
    let by_length = left.len().cmp(&right.len());
    by_length.then_with(|| left.iter().rev().cmp(right.iter().rev()))
}

fn add(left: &Digits, right: &Digits) -> Digits {
    let (mut sum, mut carry) = (Digits::new(), 0);
    for place in 0..=left.len().max(right.len()) {
        let digit = carry + left.get(place).unwrap_or(&0) + right.get(place).unwrap_or(&0);
        sum.push(digit % 10);
        carry = digit / 10;
    }
    trimmed(sum)
}

/// `left` is at least `right`.
fn subtract(left: &Digits, right: &Digits) -> Digits {
    let (mut difference, mut borrow) = (Digits::new(), 0);
    for (place, digit) in left.iter().enumerate() {
        let taken = right.get(place).unwrap_or(&0) + borrow;
        borrow = u8::from(*digit < taken);
        difference.push(digit + 10 * borrow - taken);
    }
    trimmed(difference)
}

fn multiply(left: &Digits, right: &Digits) -> Digits {
    let mut places = vec![0_u32; left.len() + right.len() + 1];
    for (i, a) in left.iter().enumerate() {
        for (j, b) in right.iter().enumerate() {
            places[i + j] += u32::from(*a) * u32::from(*b);
        }
    }
    let mut product = Digits::new();
    let mut carry = 0;
    for place in places {
        let digit = place + carry;
        product.push(u8::try_from(digit % 10).expect("a digit"));
        carry = digit / 10;
    }
    trimmed(product)
}

impl PartialEq for Number {
    fn eq(&self, other: &Number) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Number {}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Number) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Number) -> Ordering {
        let left = multiply(&self.top, &other.bottom);
        let right = multiply(&other.top, &self.bottom);
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => compare(&left, &right),
            (true, true) => compare(&right, &left),
        }
    }
}

#[test]
fn fractions_are_exact() {
    let number = |text: &str| Number::parse(text).expect(text).0;
    for (left, order, right) in [
        ("1.0", Ordering::Equal, "1.00"),
        ("1e2", Ordering::Equal, "100"),
        ("-5", Ordering::Less, "-4.99"),
        ("-0", Ordering::Equal, "0"),
        ("0.1", Ordering::Less, "0.10000000000000000000000000001"),
        ("1E-22", Ordering::Greater, "0"),
        ("99", Ordering::Less, "100"),
    ] {
        assert_eq!(number(left).cmp(&number(right)), order, "{left} {right}");
    }
    assert_eq!(number("0.1").plus(&number("0.2")), number("0.3"));
    assert_eq!(number("1").minus(&number("1.5")), number("-0.5"));
    assert_eq!(number("-3").times(&number("0.5")), number("-1.5"));
    assert_eq!(number("-100").tenth(), number("10"));
    let half = |text: &str| Number::parse(text).expect(text).1;
    assert_eq!(half("100"), number("0.5"));
    assert_eq!(half("5.40e-3"), number("0.000005"));
    assert_eq!(half("1e2"), number("50"));
}
