//! And within And, Or within Or, Not of Not, and lists of one.

use crate::search::plan::Predicate;

/// `(a and (b and c))` becomes `(a and b and c)`; Or alike.
pub fn flatten(predicate: Predicate) -> Predicate {
    match predicate {
        Predicate::And(parts) => Predicate::And(
            parts
                .into_iter()
                .flat_map(|part| match part {
                    Predicate::And(inner) => inner,
                    other => vec![other],
                })
                .collect(),
        ),
        Predicate::Or(parts) => Predicate::Or(
            parts
                .into_iter()
                .flat_map(|part| match part {
                    Predicate::Or(inner) => inner,
                    other => vec![other],
                })
                .collect(),
        ),
        other => other,
    }
}

/// `not not a` becomes `a`.
pub fn double_negation(predicate: Predicate) -> Predicate {
    match predicate {
        Predicate::Not(part) => match *part {
            Predicate::Not(inner) => *inner,
            other => Predicate::Not(Box::new(other)),
        },
        other => other,
    }
}

/// `(a)` becomes `a`.
pub fn unwrap(predicate: Predicate) -> Predicate {
    match predicate {
        Predicate::And(parts) => match <[Predicate; 1]>::try_from(parts) {
            Ok([part]) => part,
            Err(parts) => Predicate::And(parts),
        },
        Predicate::Or(parts) => match <[Predicate; 1]>::try_from(parts) {
            Ok([part]) => part,
            Err(parts) => Predicate::Or(parts),
        },
        other => other,
    }
}
