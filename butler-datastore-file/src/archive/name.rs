//! Names of members: paths of files below a directory, and nothing that only looks like one.

use butler_core::{Error, ErrorKind, Result};
use percent_encoding::percent_decode_str;

use crate::confusable::{is_like_dot, is_like_slash, is_unseen};

/// Bytes that a name may have: what file systems allow for a path.
const LENGTH: usize = 1024;

/// Bytes that a part of a name may have.
const PART: usize = 255;

/// Checks that a name from outside is a path of a file below a directory, however it is read: as it
/// is, or with `%2e` and the like replaced.
///
/// # Errors
/// `Corrupt` if it leads elsewhere, is too long, or has characters that are taken for others.
pub fn check_member_name(name: &str) -> Result<()> {
    let refused = |problem: &str| {
        let shown: String = name.chars().take(80).collect();
        Error::new(
            ErrorKind::Corrupt,
            format!("'{}' is no name of a file: it {problem}", shown.escape_debug()),
        )
    };
    if name.len() > LENGTH || name.split('/').any(|part| part.len() > PART) {
        return Err(refused("is too long"));
    }
    let mut text = name.to_owned();
    loop {
        problem(&text).map_or(Ok(()), |problem| Err(refused(problem)))?;
        let decoded = percent_decode_str(&text).decode_utf8().map_err(|_| refused("is no text"))?;
        if decoded == text {
            return Ok(());
        }
        text = decoded.into_owned();
    }
}

/// A name of a member, in the root of an archive, that every archive takes, made of a name that some refuse: other
/// names may give the same.
#[must_use]
pub fn member_name(name: &str) -> String {
    if check_member_name(name).is_ok() && !name.contains('/') {
        return name.to_owned();
    }
    let deceives = |c: char| {
        c.is_control()
            || matches!(c, '/' | '\\' | ':' | '%')
            || is_like_slash(c)
            || is_like_dot(c)
            || is_unseen(c)
    };
    let clean = name.replace(deceives, "_");
    if clean.len() <= PART && !matches!(&*clean, "" | "." | "..") {
        return clean;
    }
    // The end has the extension, the beginning often what tells it from others.
    let (mut head, mut tail) = (clean.len().min(PART / 2), clean.len().saturating_sub(PART / 2));
    while !clean.is_char_boundary(head) {
        head -= 1;
    }
    while !clean.is_char_boundary(tail) {
        tail += 1;
    }
    format!("{}~{}", &clean[..head], &clean[tail..])
}

fn problem(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("is empty");
    }
    if name.contains(char::is_control) {
        return Some("has control characters");
    }
    if name.contains(|c| is_like_slash(c) || is_like_dot(c) || is_unseen(c)) {
        return Some("has characters that are taken for others");
    }
    let drive = name.as_bytes().get(1) == Some(&b':') && name.starts_with(|c: char| c.is_ascii_alphabetic());
    if name.starts_with('/') || name.contains('\\') || drive {
        return Some("is absolute");
    }
    name.split('/').any(|part| matches!(part, "" | "." | "..")).then_some("leads elsewhere")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let long = "a".repeat(256);
        let deep = "a/".repeat(600) + "a";
        for name in [
            "",
            ".",
            "..",
            "../a",
            "a/../../b",
            "a/..",
            "/etc/passwd",
            "//a",
            "a//b",
            "a/",
            "./a",
            "a\0b",
            "a\nb",
            "..\\a",
            "\\a",
            "C:/a",
            "c:a",
            "%2e%2e/a",
            "%2E%2e%2fa",
            "%252e%252e%252fa",
            "%2Fetc/passwd",
            "a%00b",
            "%5c%5chost",
            "%ff",
            "\u{2025}/a",
            "\u{ff0e}\u{ff0e}/a",
            "a\u{2215}b",
            "a\u{ff0f}..",
            "\u{2024}\u{2024}/a",
            "a\u{202e}b",
            "a\u{200b}b",
            &long,
            &deep,
        ] {
            let error = check_member_name(name).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{name}");
        }
        for name in ["a", "a/b.json", "ä/ö.fits", "a..b", "...", "100%", "50%-x", "a b", "%41/b", "日本.txt"]
        {
            check_member_name(name).unwrap();
        }
    }

    #[test]
    fn names_that_are_made_are_taken() {
        let long = format!("{}.fits", "ä".repeat(200));
        for (name, made) in [
            ("a b.json", "a b.json"),
            ("a…b.json", "a_b.json"),
            ("👩\u{200d}🚀.x", "👩_🚀.x"),
            ("100%ff", "100_ff"),
            ("100%", "100%"),
            ("a\\b/../c", "a_b_.._c"),
        ] {
            assert_eq!(member_name(name), made);
        }
        assert!(member_name(&long).ends_with("ä.fits"));
        check_member_name(&member_name(&long)).unwrap();
    }

    proptest! {
        #[test]
        fn what_is_made_is_taken(name in "(\\PC|[./%:\\\\]|%2[eEfF]|…){0,300}") {
            let made = member_name(&name);
            prop_assert!(check_member_name(&made).is_ok(), "{made:?}");
        }

        #[test]
        fn what_is_taken_stays_below(name in "([.]{1,2}|/|%2e|%2F|a|\\\\|\u{2025}){0,8}") {
            if check_member_name(&name).is_ok() {
                let decoded = percent_decode_str(&name).decode_utf8().unwrap().into_owned();
                for name in [name, decoded] {
                    let path = std::path::Path::new(&name);
                    prop_assert!(path.components().all(|part| matches!(part, std::path::Component::Normal(_))));
                }
            }
        }
    }
}
