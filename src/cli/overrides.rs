//! The tables of the configuration file that say where writes are validated otherwise than the
//! option says: by type, by profile, and which profiles are required.

use super::options::VALIDATION;
use super::sources::Sources;
use super::values::parse_word;
use crate::config::Overrides;
use crate::fhir::ResourceType;

/// The tables of the file that say where writes are validated otherwise.
pub fn take(sources: &mut Sources) -> Overrides {
    let kind = |key: &str| {
        ResourceType::parse(key).ok_or_else(|| "expected a resource type as the key".to_owned())
    };
    let types = sources.table("validation-by-type", |key, value| {
        let text = value.as_str().unwrap_or_default();
        Ok((kind(key)?, parse_word(text, &VALIDATION)?))
    });
    let profiles = sources.table("validation-by-profile", |key, value| {
        let text = value.as_str().unwrap_or_default();
        let is_held = parse_word(text, &[("off", false), ("profile", true)])?;
        Ok((parse_canonical(key)?, is_held))
    });
    let required = sources.table("required-profiles", |key, value| {
        let listed = match value {
            toml::Value::Array(list) => list.iter().collect(),
            one => vec![one],
        };
        let canonical = |one: &toml::Value| parse_canonical(one.as_str().unwrap_or_default());
        let listed: Vec<String> = listed
            .into_iter()
            .map(canonical)
            .collect::<Result<_, _>>()?;
        match listed.is_empty() {
            true => Err("expected at least one profile".to_owned()),
            false => Ok((kind(key)?, listed)),
        }
    });
    Overrides {
        types: types.into_iter().collect(),
        profiles: profiles.into_iter().collect(),
        required: required.into_iter().collect(),
    }
}

fn parse_canonical(text: &str) -> Result<String, String> {
    match text.contains(':') && !text.contains(char::is_whitespace) {
        true => Ok(text.to_owned()),
        false => Err(format!(
            "expected the canonical URL of a profile, perhaps with |version, but found {text:?}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use crate::cli::arguments::{CommonArgs, ServeArgs};
    use crate::cli::options::{Problems, Writing, serve};
    use crate::config::Validation;
    use crate::fhir::ResourceType;

    fn writing(file: &std::path::Path) -> Result<Writing, Problems> {
        let common = CommonArgs {
            config: file.to_str().map(str::to_owned),
            ..CommonArgs::default()
        };
        let args = ServeArgs {
            common,
            ..ServeArgs::default()
        };
        Ok(serve(&args, &|_| None)?.writing)
    }

    #[test]
    fn validation_is_overridden_in_tables_of_the_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("andiron.toml");
        let text = r#"
            validation = "structure"
            [validation-by-type]
            Observation = "profile"
            Binary = "off"
            [validation-by-profile]
            "http://x/p" = "profile"
            "http://x/q|2" = "off"
            [required-profiles]
            Patient = ["http://x/p", "http://x/q|2"]
            Group = "http://x/g"
        "#;
        std::fs::write(&file, text).expect("written");
        let kind = |name: &str| ResourceType::parse(name).expect("a type");
        let overrides = writing(&file).expect("fine").overrides;
        assert_eq!(overrides.types[&kind("Observation")], Validation::Profile);
        assert_eq!(overrides.types[&kind("Binary")], Validation::Off);
        assert!(overrides.profiles["http://x/p"] && !overrides.profiles["http://x/q|2"]);
        assert_eq!(overrides.required[&kind("Patient")].len(), 2);
        assert_eq!(overrides.required[&kind("Group")], ["http://x/g"]);

        let text = r#"
            required-profiles = "x"
            [validation-by-type]
            Observations = "profile"
            Patient = "strict"
            Group = 1
            [validation-by-profile]
            "us core" = "off"
            "http://x/p" = "structure"
        "#;
        std::fs::write(&file, text).expect("written");
        let problems = writing(&file).expect_err("many problems");
        for says in [
            "`required-profiles`: expected a table but found string",
            "[validation-by-type] `Observations`: expected a resource type as the key",
            "[validation-by-type] `Patient`: expected off or structure or profile",
            "[validation-by-type] `Group`: expected",
            "[validation-by-profile] `us core`: expected the canonical URL",
            "[validation-by-profile] `http://x/p`: expected off or profile",
        ] {
            let is_told = problems.iter().any(|problem| problem.contains(says));
            assert!(is_told, "{says}: {problems:#?}");
        }
        assert_eq!(problems.len(), 6, "{problems:#?}");
    }
}
