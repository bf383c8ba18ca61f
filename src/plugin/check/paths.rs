//! Paths a runner names.

use super::{shown, text};

/// Longest path the system takes.
const MAX_PATH: usize = 4095;

/// The parts of a path that stays where it starts: `.` and empty parts left out, no `..`.
pub(super) fn parts(path: &str) -> Result<Vec<&str>, String> {
    text("the path", path, MAX_PATH)?;
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") {
        return Err(format!("`{}` climbs with `..`", shown(path)));
    }
    if let Some(long) = parts.iter().find(|part| part.len() > 255) {
        return Err(format!("`{}…` is longer than a file name may be", shown(long)));
    }
    Ok(parts)
}

/// `path` relative to `root`: given so, or as an absolute path below it.
pub(super) fn below(path: &str, root: &str) -> Result<String, String> {
    let all = parts(path)?;
    if !path.starts_with('/') {
        return Ok(all.join("/"));
    }
    let root_parts: Vec<_> = root.split('/').filter(|part| !part.is_empty()).collect();
    match all.strip_prefix(root_parts.as_slice()) {
        Some(rest) if !root_parts.is_empty() => Ok(rest.join("/")),
        _ => Err(format!("`{}` is outside of `{root}`", shown(path))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_path_below_is_given_back_relative() {
        assert_eq!(below("a/b", "/w").unwrap(), "a/b");
        assert_eq!(below("./a//b/", "/w").unwrap(), "a/b");
        assert_eq!(below("/w/a", "/w").unwrap(), "a");
        assert_eq!(below("/w/", "/w").unwrap(), "");
    }

    #[test]
    fn a_path_that_leaves_is_refused() {
        for bad in ["..", "a/..", "a/../b", "/w/../x", "/etc/x", "/w-evil/x", "/", "a\0b"] {
            assert!(below(bad, "/w").is_err(), "{bad}");
        }
        assert!(below("/anything", "").is_err());
        assert!(below("/anything", "/").is_err());
    }

    proptest! {
        #[test]
        fn an_accepted_path_cannot_climb(path in "[a./\\x00]{0,24}|(/w)?(/(a|\\.\\.|\\.|))*") {
            if let Ok(inside) = below(&path, "/w") {
                prop_assert!(!inside.starts_with('/') && !inside.contains('\0'));
                prop_assert!(inside.split('/').all(|part| part != ".." && part != "."));
            }
        }
    }
}
