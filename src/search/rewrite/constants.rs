//! What is known without looking.

use crate::search::plan::Predicate::{
    self, And, Entries, EveryEntry, Everything, Not, Nothing, Or,
};

/// Drops what changes nothing, and answers what one part decides.
pub fn constants(predicate: Predicate) -> Predicate {
    match predicate {
        And(parts) if parts.contains(&Nothing) => Nothing,
        Or(parts) if parts.contains(&Everything) => Everything,
        And(mut parts) => {
            parts.retain(|part| *part != Everything);
            if parts.is_empty() {
                Everything
            } else {
                And(parts)
            }
        }
        Or(mut parts) => {
            parts.retain(|part| *part != Nothing);
            if parts.is_empty() { Nothing } else { Or(parts) }
        }
        Not(part) => match *part {
            Everything => Nothing,
            Nothing => Everything,
            other => Not(Box::new(other)),
        },
        Predicate::Refers { filter, .. } | Predicate::Referred { filter, .. }
            if *filter == Nothing =>
        {
            Nothing
        }
        Entries(list) if list.is_empty() => Nothing,
        EveryEntry(list) if list.is_empty() => Everything,
        other => other,
    }
}
