//! The transitive closure of a hierarchy: what is above each concept, and how many are below.
//!
//! Concepts by number; a concept is never above itself. Circles, which no published system
//! should have, end: all of a circle is above each of it but itself.

/// Pairs of a concept and one above it that a system may have, 4 bytes each here.
const MAX_PAIRS: usize = 100_000_000;

/// A hierarchy and its closure.
#[derive(Debug, Default)]
pub struct Closure {
    /// Those directly above, sorted.
    pub parents: Vec<Vec<u32>>,
    /// All that is above, sorted.
    pub above: Vec<Vec<u32>>,
    pub below: Vec<u32>,
}

/// The closure of edges (child, parent) among `count` concepts.
///
/// # Errors
/// More than [`MAX_PAIRS`], for a person.
pub fn close(count: usize, edges: &[(u32, u32)]) -> Result<Closure, String> {
    let mut parents: Vec<Vec<u32>> = vec![Vec::new(); count];
    let mut children: Vec<Vec<u32>> = vec![Vec::new(); count];
    for (child, parent) in edges.iter().filter(|(child, parent)| child != parent) {
        parents[*child as usize].push(*parent);
    }
    for (child, list) in parents.iter_mut().enumerate() {
        list.sort_unstable();
        list.dedup();
        for parent in &*list {
            children[*parent as usize].push(child as u32);
        }
    }
    let mut closure = Closure {
        above: vec![Vec::new(); count],
        below: vec![0; count],
        parents,
    };
    let mut pairs = 0;
    // From the top: a concept comes when all of its parents are done.
    let mut waiting: Vec<usize> = closure.parents.iter().map(Vec::len).collect();
    let mut ready: Vec<u32> = (0..count as u32)
        .filter(|at| waiting[*at as usize] == 0)
        .collect();
    let mut done = vec![false; count];
    while let Some(next) = ready.pop() {
        let at = next as usize;
        let above = from_parents(&closure, at);
        closure.put(at, above, &mut pairs)?;
        done[at] = true;
        for child in &children[at] {
            let child = *child as usize;
            waiting[child] -= 1;
            if waiting[child] == 0 {
                ready.push(child as u32);
            }
        }
    }
    for at in (0..count).filter(|at| !done[*at]) {
        let above = walk(&closure.parents, at);
        closure.put(at, above, &mut pairs)?;
    }
    Ok(closure)
}

impl Closure {
    fn put(&mut self, at: usize, above: Vec<u32>, pairs: &mut usize) -> Result<(), String> {
        *pairs += above.len();
        if *pairs > MAX_PAIRS {
            return Err(format!(
                "the hierarchy has more than {MAX_PAIRS} pairs of a concept and one above it"
            ));
        }
        for one in &above {
            self.below[*one as usize] += 1;
        }
        self.above[at] = above;
        Ok(())
    }
}

fn from_parents(closure: &Closure, at: usize) -> Vec<u32> {
    let parents = &closure.parents[at];
    let mut above = parents.clone();
    for parent in parents {
        above.extend(&closure.above[*parent as usize]);
    }
    above.sort_unstable();
    above.dedup();
    above.shrink_to_fit();
    above
}

/// What can be reached upwards, where a circle is on the way.
fn walk(parents: &[Vec<u32>], at: usize) -> Vec<u32> {
    let mut found = std::collections::BTreeSet::new();
    let mut open = parents[at].clone();
    while let Some(next) = open.pop() {
        if found.insert(next) {
            open.extend(&parents[next as usize]);
        }
    }
    found.remove(&(at as u32));
    found.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closures() {
        // 0 <- 1 <- 3, 0 <- 2 <- 3, a circle 4 <-> 5 with 6 below it, and 7 alone.
        let edges = [
            (1, 0),
            (2, 0),
            (3, 1),
            (3, 2),
            (3, 1),
            (4, 5),
            (5, 4),
            (6, 4),
            (7, 7),
        ];
        let closure = close(8, &edges).expect("small");
        assert_eq!(closure.parents[3], [1, 2]);
        let above: Vec<&[u32]> = closure.above.iter().map(Vec::as_slice).collect();
        let expected: [&[u32]; 8] = [&[], &[0], &[0], &[0, 1, 2], &[5], &[4], &[4, 5], &[]];
        assert_eq!(above, expected);
        assert_eq!(closure.below, [3, 1, 1, 0, 2, 2, 0, 0]);
    }
}
