//! Decimals of any length, exactly: no binary floating point comes near a value of FHIR.
//! <https://hl7.org/fhir/R4/datatypes.html#decimal>
//!
//! What is here serves comparison and search ranges. The JSON of a resource is never
//! rewritten from it.

use std::cmp::Ordering;
use std::fmt;

/// Digits kept after the point, and allowed before it: within what PostgreSQL's `numeric`
/// holds, and far beyond any measurement.
const MOST_DIGITS: i64 = 1000;

/// `±digits × 10^exponent`, with the digits as written, trailing zeros included: they are
/// the precision.
#[derive(Clone, Debug)]
pub struct Decimal {
    negative: bool,
    /// Values 0 to 9, most significant first, no leading zero; empty for zero.
    digits: Vec<u8>,
    exponent: i64,
}

/// What becomes of digits that are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// Toward zero.
    Truncate,
    /// Toward what is less.
    Floor,
    /// Toward what is greater.
    Ceiling,
    /// To the nearest; from halfway away from zero.
    HalfUp,
}

impl Decimal {
    /// Reads `-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?`, a leading plus sign too. `None` for
    /// anything else and for more than a thousand digits before the point; digits beyond
    /// the thousandth after the point are dropped.
    pub fn parse(text: &str) -> Option<Decimal> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
            None => (rest, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (mantissa, ""),
        };
        let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        let digits = whole
            .bytes()
            .chain(fraction.bytes())
            .map(|byte| byte - b'0');
        let decimal = Decimal {
            negative,
            digits: digits.skip_while(|digit| *digit == 0).collect(),
            exponent: exponent - fraction.len() as i64,
        };
        decimal.within_limits()
    }

    fn within_limits(mut self) -> Option<Decimal> {
        if self.exponent < -MOST_DIGITS {
            let surplus = usize::try_from(-MOST_DIGITS - self.exponent).unwrap_or(usize::MAX);
            let kept = self.digits.len().saturating_sub(surplus);
            self.digits.truncate(kept);
            self.exponent = -MOST_DIGITS;
        }
        if self.digits.is_empty() {
            self.exponent = self.exponent.min(MOST_DIGITS);
        }
        (self.digits.len() as i64 + self.exponent <= MOST_DIGITS).then_some(self)
    }

    pub fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    /// Half of the last written place: 0.5 of `100`, 0.005 of `1.00`, 50 of `1e2`.
    pub fn half_unit(&self) -> Decimal {
        Decimal {
            negative: false,
            digits: vec![5],
            exponent: self.exponent - 1,
        }
    }

    /// A tenth of the size, without the sign.
    pub fn tenth(&self) -> Decimal {
        Decimal {
            negative: false,
            digits: self.digits.clone(),
            exponent: self.exponent - 1,
        }
    }

    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// Digits after the point, as written: 2 of `1.50`, 0 of `150` and of `15e1`.
    pub fn scale(&self) -> usize {
        usize::try_from(-self.exponent).unwrap_or_default()
    }

    /// The same without the zeros at the end: 1 of `1.50`.
    pub fn shortest_scale(&self) -> usize {
        self.shortest().scale()
    }

    /// With the sign changed; zero has none.
    pub fn negated(&self) -> Decimal {
        Decimal {
            negative: !self.negative && !self.digits.is_empty(),
            ..self.clone()
        }
    }

    /// With so many digits after the point, neither more nor fewer.
    pub fn to_scale(&self, scale: usize, rounding: Rounding) -> Decimal {
        let exponent = -i64::try_from(scale).unwrap_or(i64::MAX).min(MOST_DIGITS);
        let mut kept = self.clone();
        if self.exponent >= exponent {
            if !kept.digits.is_empty() {
                let zeros = usize::try_from(self.exponent - exponent).unwrap_or_default();
                kept.digits.resize(kept.digits.len() + zeros, 0);
            }
            kept.exponent = exponent;
            return kept;
        }
        let surplus = usize::try_from(exponent - self.exponent).unwrap_or(usize::MAX);
        let keep = kept.digits.len().saturating_sub(surplus);
        let dropped = kept.digits.split_off(keep);
        kept.exponent = exponent;
        let is_exact = dropped.iter().all(|digit| *digit == 0);
        // Where there are fewer digits than places, the first dropped place holds a zero.
        let is_half = dropped.len() == surplus && dropped.first().is_some_and(|digit| *digit >= 5);
        let away = match rounding {
            Rounding::Truncate => false,
            Rounding::Floor => self.negative && !is_exact,
            Rounding::Ceiling => !self.negative && !is_exact,
            Rounding::HalfUp => is_half,
        };
        if away {
            let one = Decimal {
                negative: self.negative,
                digits: vec![1],
                exponent,
            };
            return kept.plus(&one);
        }
        kept.negative &= !kept.digits.is_empty();
        kept
    }

    /// The value, if it is whole and fits.
    pub fn to_integer(&self) -> Option<i64> {
        let whole = self.to_scale(0, Rounding::Truncate);
        whole.to_string().parse().ok().filter(|_| whole == *self)
    }

    /// The nearest binary number, for functions that have no exact answer.
    pub fn to_f64(&self) -> f64 {
        self.to_string().parse().unwrap_or(f64::NAN)
    }

    /// As written, zeros at the end included: `1.50`.
    pub fn written(&self) -> String {
        let mut text = self.to_string();
        let shown = text
            .split_once('.')
            .map_or(0, |(_, fraction)| fraction.len());
        let missing = self.scale().saturating_sub(shown);
        if missing > 0 {
            if shown == 0 {
                text.push('.');
            }
            text.push_str(&"0".repeat(missing));
        }
        text
    }

    pub fn plus(&self, other: &Decimal) -> Decimal {
        let (left, right, exponent) = aligned(self, other);
        let (negative, mut digits) = if self.negative == other.negative {
            (self.negative, add(&left, &right))
        } else if left >= right {
            (self.negative, subtract(&left, &right))
        } else {
            (other.negative, subtract(&right, &left))
        };
        let zeros = digits.iter().take_while(|digit| **digit == 0).count();
        digits.drain(..zeros);
        Decimal {
            negative: negative && !digits.is_empty(),
            digits,
            exponent,
        }
    }

    pub fn times(&self, other: &Decimal) -> Decimal {
        let (mut left, mut right) = (self.shortest(), other.shortest());
        if left.digits.len() < right.digits.len() {
            std::mem::swap(&mut left, &mut right);
        }
        let mut digits: Vec<u32> = vec![0; left.digits.len() + right.digits.len()];
        for (i, a) in left.digits.iter().enumerate() {
            for (j, b) in right.digits.iter().enumerate() {
                digits[i + j + 1] += u32::from(*a) * u32::from(*b);
            }
        }
        let mut carry = 0;
        for digit in digits.iter_mut().rev() {
            carry += *digit;
            *digit = carry % 10;
            carry /= 10;
        }
        let digits = digits.into_iter().skip_while(|digit| *digit == 0);
        let digits: Vec<u8> = digits.map(|digit| digit as u8).collect();
        Decimal {
            negative: left.negative != right.negative && !digits.is_empty(),
            digits,
            exponent: left.exponent + right.exponent,
        }
    }

    /// Exactly where that has an end within so many digits, else rounded half away from zero;
    /// zero where `divisor` is.
    pub fn quotient(&self, divisor: &Decimal, most_digits: usize) -> Decimal {
        let (left, right) = (self.shortest(), divisor.shortest());
        let negative = left.negative != right.negative;
        let mut exponent = left.exponent - right.exponent;
        let (mut digits, mut rest): (Vec<u8>, Vec<u8>) = (Vec::new(), Vec::new());
        if left.is_zero() || right.is_zero() {
            return Decimal {
                negative: false,
                digits,
                exponent: 0,
            };
        }
        let mut coming = left.digits.iter();
        loop {
            match coming.next() {
                Some(digit) => rest.push(*digit),
                None if rest.is_empty() || digits.len() > most_digits => break,
                None => {
                    rest.push(0);
                    exponent -= 1;
                }
            }
            let digit = take_multiples(&mut rest, &right.digits);
            if digit > 0 || !digits.is_empty() {
                digits.push(digit);
            }
        }
        let quotient = Decimal {
            negative,
            digits,
            exponent,
        };
        quotient.rounded(most_digits)
    }

    fn rounded(mut self, most_digits: usize) -> Decimal {
        let surplus = self.digits.len().saturating_sub(most_digits);
        let is_up = surplus > 0 && self.digits[most_digits] >= 5;
        self.digits.truncate(most_digits);
        self.exponent += surplus as i64;
        if is_up {
            let one = Decimal {
                negative: self.negative,
                digits: vec![1],
                exponent: self.exponent,
            };
            return self.plus(&one);
        }
        self
    }

    /// How many digits it is written with, without the zeros at its end.
    pub fn length(&self) -> usize {
        self.shortest().digits.len()
    }

    fn shortest(&self) -> Decimal {
        let kept = self.digits.iter().rposition(|digit| *digit != 0);
        let kept = kept.map_or(0, |at| at + 1);
        Decimal {
            negative: self.negative,
            digits: self.digits[..kept].to_vec(),
            exponent: self.exponent + (self.digits.len() - kept) as i64,
        }
    }

    pub fn minus(&self, other: &Decimal) -> Decimal {
        let negated = Decimal {
            negative: !other.negative,
            ..other.clone()
        };
        self.plus(&negated)
    }
}

/// Takes `divisor` from `rest` as often as it goes, and says how often; neither has leading
/// zeros.
fn take_multiples(rest: &mut Vec<u8>, divisor: &[u8]) -> u8 {
    let mut count = 0;
    loop {
        let zeros = rest.iter().take_while(|digit| **digit == 0).count();
        rest.drain(..zeros);
        let is_less = rest
            .len()
            .cmp(&divisor.len())
            .then_with(|| rest.as_slice().cmp(divisor));
        if is_less == Ordering::Less {
            return count;
        }
        let mut same_length = vec![0; rest.len() - divisor.len()];
        same_length.extend_from_slice(divisor);
        *rest = subtract(rest, &same_length);
        count += 1;
    }
}

impl From<i64> for Decimal {
    fn from(number: i64) -> Decimal {
        let digits = number.unsigned_abs().to_string().into_bytes().into_iter();
        let digits = digits.map(|byte| byte - b'0');
        Decimal {
            negative: number < 0,
            digits: digits.skip_while(|digit| *digit == 0).collect(),
            exponent: 0,
        }
    }
}

fn parse_exponent(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Beyond this size the value is zero or too large, whatever the exponent is exactly.
    let size = digits.parse::<i64>().unwrap_or(i64::MAX).min(1 << 40);
    Some(if negative { -size } else { size })
}

/// The digits of both with the same exponent and the same length.
fn aligned(left: &Decimal, right: &Decimal) -> (Vec<u8>, Vec<u8>, i64) {
    let exponent = left.exponent.min(right.exponent);
    let extended = |decimal: &Decimal| {
        let mut digits = decimal.digits.clone();
        if !digits.is_empty() {
            let zeros = usize::try_from(decimal.exponent - exponent).unwrap_or_default();
            digits.resize(digits.len() + zeros, 0);
        }
        digits
    };
    let (left, right) = (extended(left), extended(right));
    let length = left.len().max(right.len());
    let padded = |digits: Vec<u8>| {
        let mut all = vec![0; length - digits.len()];
        all.extend(digits);
        all
    };
    (padded(left), padded(right), exponent)
}

fn add(left: &[u8], right: &[u8]) -> Vec<u8> {
    let mut sum = Vec::with_capacity(left.len() + 1);
    let mut carry = 0;
    for (a, b) in left.iter().zip(right).rev() {
        let digit = a + b + carry;
        sum.push(digit % 10);
        carry = digit / 10;
    }
    sum.push(carry);
    sum.reverse();
    sum
}

/// `left` is at least `right`.
fn subtract(left: &[u8], right: &[u8]) -> Vec<u8> {
    let mut difference = Vec::with_capacity(left.len());
    let mut borrow = 0;
    for (a, b) in left.iter().zip(right).rev() {
        let taken = b + borrow;
        borrow = u8::from(*a < taken);
        difference.push(a + 10 * borrow - taken);
    }
    difference.reverse();
    difference
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Decimal) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Decimal {}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Decimal) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// By value: `1.0` equals `1.00`.
impl Ord for Decimal {
    fn cmp(&self, other: &Decimal) -> Ordering {
        let difference = self.minus(other);
        match (difference.is_zero(), difference.negative) {
            (true, _) => Ordering::Equal,
            (false, true) => Ordering::Less,
            (false, false) => Ordering::Greater,
        }
    }
}

/// The shortest plain form: `1.00` is `1`, `1e2` is `100`. PostgreSQL's `numeric` reads it.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let zeros = self
            .digits
            .iter()
            .rev()
            .take_while(|digit| **digit == 0)
            .count();
        let digits = &self.digits[..self.digits.len() - zeros];
        let exponent = self.exponent + zeros as i64;
        if digits.is_empty() {
            return f.write_str("0");
        }
        let mut text = String::with_capacity(digits.len() + 4);
        if self.negative {
            text.push('-');
        }
        let places = usize::try_from(-exponent).unwrap_or_default();
        if places >= digits.len() {
            text.push('0');
        }
        for (index, digit) in digits.iter().enumerate() {
            let before = digits.len() - index;
            if before == places {
                text.push('.');
            }
            text.push(char::from(b'0' + digit));
        }
        if places > digits.len() {
            let point = text.len() - digits.len();
            text.insert_str(point, &format!(".{}", "0".repeat(places - digits.len())));
        }
        let zeros = usize::try_from(exponent).unwrap_or_default();
        text.push_str(&"0".repeat(zeros));
        f.write_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::parse(text).unwrap_or_else(|| panic!("{text} is a decimal"))
    }

    #[test]
    fn text_forms() {
        for (text, shown) in [
            ("0", "0"),
            ("-0.00", "0"),
            ("100", "100"),
            ("1.00", "1"),
            ("-1.50", "-1.5"),
            ("0.001", "0.001"),
            ("0.100", "0.1"),
            ("12.034", "12.034"),
            ("1e2", "100"),
            ("1.2E+2", "120"),
            ("5.40e-3", "0.0054"),
            ("1E-22", "0.0000000000000000000001"),
            ("007", "7"),
            (
                "1234567890123456789012345678901234567890.5",
                "1234567890123456789012345678901234567890.5",
            ),
        ] {
            assert_eq!(decimal(text).to_string(), shown, "{text}");
        }
        let tiny = format!("1e-{}", "9".repeat(50));
        assert_eq!(decimal(&tiny).to_string(), "0");
        assert_eq!(decimal("0e99999999999999999999").to_string(), "0");
    }

    #[test]
    fn what_is_no_decimal() {
        let long = "9".repeat(1001);
        for text in [
            "", "-", "+", ".", "1.", ".5", "1e", "1e+", "e5", "1,5", "0x1", "NaN", " 1", "1e1001",
            &long, "--1",
        ] {
            assert!(Decimal::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn arithmetic_is_exact() {
        for (left, right, sum, difference) in [
            ("0.1", "0.2", "0.3", "-0.1"),
            ("100", "0.5", "100.5", "99.5"),
            ("-5", "0.5", "-4.5", "-5.5"),
            (
                "1e30",
                "-1e-5",
                "999999999999999999999999999999.99999",
                "1000000000000000000000000000000.00001",
            ),
            ("99.99", "0.01", "100", "99.98"),
            ("5", "-5", "0", "10"),
        ] {
            assert_eq!(
                decimal(left).plus(&decimal(right)).to_string(),
                sum,
                "{left} + {right}"
            );
            assert_eq!(
                decimal(left).minus(&decimal(right)).to_string(),
                difference,
                "{left} - {right}"
            );
        }
        for (left, right, product, quotient) in [
            ("6", "3", "18", "2"),
            ("0.1", "0.2", "0.02", "0.5"),
            ("-100", "8", "-800", "-12.5"),
            ("1e30", "1e-5", "10000000000000000000000000", "1e35"),
            ("99", "99", "9801", "1"),
            ("0", "5", "0", "0"),
            ("5", "0", "0", "0"),
            ("1", "3", "3", "0.333333"),
            ("2", "3", "6", "0.666667"),
            ("-2", "3", "-6", "-0.666667"),
            ("999999.9", "1", "999999.9", "1000000"),
            ("1", "7000", "7000", "0.000142857"),
            ("123456", "1", "123456", "123456"),
        ] {
            let (left, right) = (decimal(left), decimal(right));
            assert_eq!(left.times(&right), decimal(product), "{left} * {right}");
            let found = left.quotient(&right, 6);
            assert_eq!(found, decimal(quotient), "{left} / {right}");
        }
        for number in [0_i64, 7, -30, i64::MIN, i64::MAX] {
            let decimal = Decimal::from(number);
            assert_eq!(decimal.to_string(), number.to_string());
            assert_eq!(decimal.to_integer(), Some(number));
        }
        assert_eq!(decimal("1.5").to_integer(), None);
        assert_eq!(decimal("9223372036854775808").to_integer(), None);
        assert_eq!(decimal("1.0"), decimal("1.00"));
        assert!(decimal("-2") < decimal("-1.5"));
        assert!(decimal("1e2") > decimal("99.999"));
    }
    #[test]
    fn digits_after_the_point_are_kept_and_dropped() {
        use Rounding::*;
        for (text, scale, truncated, floor, ceiling, nearest) in [
            ("1.587", 2, "1.58", "1.58", "1.59", "1.59"),
            ("-1.587", 2, "-1.58", "-1.59", "-1.58", "-1.59"),
            ("1.5", 0, "1", "1", "2", "2"),
            ("-0.5", 0, "0", "-1", "0", "-1"),
            ("0.0034", 1, "0.0", "0.0", "0.1", "0.0"),
            ("0.06", 1, "0.0", "0.0", "0.1", "0.1"),
            ("0.96", 1, "0.9", "0.9", "1.0", "1.0"),
            ("2", 3, "2.000", "2.000", "2.000", "2.000"),
            ("1e2", 1, "100.0", "100.0", "100.0", "100.0"),
            ("0", 2, "0.00", "0.00", "0.00", "0.00"),
            ("1.20", 1, "1.2", "1.2", "1.2", "1.2"),
        ] {
            let found = [Truncate, Floor, Ceiling, HalfUp]
                .map(|r| decimal(text).to_scale(scale, r).written());
            assert_eq!(found, [truncated, floor, ceiling, nearest], "{text}");
        }
        assert_eq!(decimal("-1.50").negated().written(), "1.50");
        assert_eq!(decimal("0.00").negated().written(), "0.00");
    }
}
