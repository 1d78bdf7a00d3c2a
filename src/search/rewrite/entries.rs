//! Fewer, longer lists of entries: one `&&` or `@>` is one scan of the GIN index.

use crate::search::plan::Predicate::{self, And, Entries, EveryEntry, Id, Not, Or};

/// `a=1 or a=2 or b=3` is one list of which any may be there. The merged list comes first.
pub fn merge_alternatives(predicate: Predicate) -> Predicate {
    let Or(parts) = predicate else {
        return predicate;
    };
    let (mut any, mut rest) = (Vec::new(), Vec::new());
    for part in parts {
        match part {
            Entries(list) => any.extend(list),
            other => rest.push(other),
        }
    }
    if any.is_empty() {
        return Or(rest);
    }
    rest.insert(0, Entries(any));
    Or(rest)
}

/// `_id=1 or _id=2` is one list of keys, each there once, since a list drives its page.
pub fn merge_ids(predicate: Predicate) -> Predicate {
    let Or(parts) = predicate else {
        return predicate;
    };
    let (mut ids, mut rest) = (Vec::new(), Vec::new());
    for part in parts {
        match part {
            Id(list) => ids.extend(list),
            other => rest.push(other),
        }
    }
    if !ids.is_empty() {
        ids.sort_unstable();
        ids.dedup();
        rest.insert(0, Id(ids));
    }
    Or(rest)
}

/// `a=1 and b=2` is one list of which every one must be there, and `not a=1 and not b=2` is
/// one list of which none may be. The required list comes first.
pub fn merge_required(predicate: Predicate) -> Predicate {
    let And(parts) = predicate else {
        return predicate;
    };
    let (mut every, mut none, mut rest) = (Vec::new(), Vec::new(), Vec::new());
    for part in parts {
        match part {
            Entries(list) if list.len() == 1 => every.extend(list),
            EveryEntry(list) => every.extend(list),
            Not(inner) => match *inner {
                Entries(list) => none.extend(list),
                other => rest.push(Not(Box::new(other))),
            },
            other => rest.push(other),
        }
    }
    match every.len() {
        0 => {}
        1 => rest.insert(0, Entries(every)),
        _ => rest.insert(0, EveryEntry(every)),
    }
    if !none.is_empty() {
        rest.push(Not(Box::new(Entries(none))));
    }
    And(rest)
}
