//! The known name that was probably meant.

use crate::work;

/// Names longer than this are no typing mistakes, and cost time to compare.
const LONGEST: usize = 32;

/// The candidate with the fewest edits to `name`, if those are few for its length.
pub(crate) fn nearest<'c>(
    name: &str,
    candidates: impl Iterator<Item = &'c str>,
) -> Option<&'c str> {
    let length = name.chars().count();
    if length > LONGEST {
        return None;
    }
    let bound = match length {
        0..=2 => 1,
        3..=7 => 2,
        _ => 3,
    };
    let lower = name.to_ascii_lowercase();
    let scored = candidates.map(|one| (edits(&lower, &one.to_ascii_lowercase()), one));
    let (edits, best) = scored.min_by_key(|(edits, one)| (*edits, one.len().abs_diff(length)))?;
    (edits <= bound && edits < length.max(2)).then_some(best)
}

/// Insertions, deletions, replacements and swaps of neighbours between two names.
fn edits(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().take(LONGEST).collect();
    let b: Vec<char> = b.chars().take(LONGEST).collect();
    work::add(a.len().saturating_mul(b.len()).max(1));
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let row = next_row(&a, &b, i, *x, &above, &before);
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().unwrap_or_default()
}

fn next_row(
    a: &[char],
    b: &[char],
    i: usize,
    x: char,
    above: &[usize],
    before: &[usize],
) -> Vec<usize> {
    let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX / 2);
    let mut row = Vec::with_capacity(b.len().saturating_add(1));
    row.push(i.saturating_add(1));
    for (j, y) in b.iter().enumerate() {
        let next = j.saturating_add(1);
        let replaced = at(above, j).saturating_add(usize::from(x != *y));
        let inserted = at(&row, j).saturating_add(1);
        let removed = at(above, next).saturating_add(1);
        let swapped = match (i.checked_sub(1), j.checked_sub(1)) {
            (Some(p), Some(q)) if a.get(p) == Some(y) && b.get(q) == Some(&x) => {
                at(before, q).saturating_add(1)
            }
            _ => usize::MAX,
        };
        row.push(replaced.min(inserted).min(removed).min(swapped));
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_mistake_finds_its_word() {
        let known = ["part", "repo", "rootpw", "bootloader", "timezone", "network", "raid"];
        let meant = |name| nearest(name, known.into_iter());
        assert_eq!(meant("prat"), Some("part"));
        assert_eq!(meant("bootlaoder"), Some("bootloader"));
        assert_eq!(meant("Repo"), Some("repo"));
        assert_eq!(meant("xyzzy"), None);
        assert_eq!(meant(""), None);
        assert_eq!(meant(&"part".repeat(100)), None);
    }
}
