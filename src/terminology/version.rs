//! Business versions, and patterns of them.

/// Whether a version is the one that is named: a part `x` or `*` of it stands for any, and
/// for any that follow (`1.x` is met by `1.2.0`).
pub fn is_version(version: &str, named: &str) -> bool {
    if !is_pattern(named) {
        return version == named;
    }
    let mut parts = version.split('.');
    for wanted in named.split('.') {
        let found = parts.next();
        let fits = match wanted {
            "x" | "*" => found.is_some(),
            wanted => found == Some(wanted),
        };
        if !fits {
            return false;
        }
    }
    parts.next().is_none() || named.ends_with(['x', '*'])
}

/// Whether a version that is named stands for several.
pub fn is_pattern(named: &str) -> bool {
    named.split('.').any(|part| matches!(part, "x" | "*"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_may_be_patterns() {
        for (version, named, expected) in [
            ("1.0.0", "1.0.0", true),
            ("1.0.0", "1.0", false),
            ("1.0.0", "1.0.x", true),
            ("1.2.0", "1.x", true),
            ("1.2.0", "1.x.0", true),
            ("1.2.0", "1.x.1", false),
            ("2.0.0", "1.x", false),
            ("1", "1.x", false),
            ("x", "y", false),
        ] {
            assert_eq!(is_version(version, named), expected, "{version} {named}");
        }
    }
}
