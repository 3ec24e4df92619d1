//! Names that are taken for others: by people, who see them, or by programs, which decode or normalise them.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Whether a character looks like a slash or backslash, which normalisation may make of it
/// (Unicode Technical Standard 39, Unicode Standard Annex 15).
pub(crate) fn is_like_slash(c: char) -> bool {
    matches!(
        c,
        '\u{2044}'
            | '\u{2215}'
            | '\u{29f8}'
            | '\u{ff0f}'
            | '\u{2571}'
            | '\u{2216}'
            | '\u{29f5}'
            | '\u{29f9}'
            | '\u{fe68}'
            | '\u{ff3c}'
            // Compatibility characters with a slash in them: a/c, a/s, c/o, c/u.
            | '\u{2100}'
            | '\u{2101}'
            | '\u{2105}'
            | '\u{2106}'
    )
}

/// Whether a character looks like a dot or several, which normalisation may make of it.
pub(crate) fn is_like_dot(c: char) -> bool {
    matches!(c, '\u{2024}'..='\u{2026}' | '\u{fe52}' | '\u{ff0e}' | '\u{fe19}' | '\u{fe30}')
}

/// Whether a character is not seen, or turns the direction of writing (Unicode Standard Annex 9).
pub(crate) fn is_unseen(c: char) -> bool {
    matches!(c,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{ad}')
}

/// Whether a character selects a variant of what is before it; it is not seen where there is none.
fn is_variation(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

/// What a name is taken for: with what is encoded decoded, however often, in lower case, and without what is unseen.
pub(crate) fn taken_for(name: &str) -> String {
    let mut text = name.to_owned();
    loop {
        text.retain(|c| !is_unseen(c) && !is_variation(c));
        let decoded = percent_decode_str(&text).decode_utf8_lossy().into_owned();
        if decoded == text {
            break;
        }
        text = decoded;
    }
    text.chars().map(|c| if is_like_dot(c) { '.' } else { c }).flat_map(char::to_lowercase).collect()
}

/// What is wrong with a part of a path that somebody may take for several, or for a way out of its directory.
///
/// Only what is so taken is refused: names in any language are fine, with points and percent signs in them.
pub(crate) fn deception(part: &str) -> Option<&'static str> {
    let mut text = Cow::Borrowed(part);
    loop {
        if text.contains(is_like_slash) {
            return Some("has a character that looks like a slash");
        }
        let mut seen = text.chars().filter(|c| !is_unseen(*c) && !is_variation(*c)).peekable();
        if seen.peek().is_some() && seen.all(|c| c == '.' || is_like_dot(c)) {
            return Some("has a part of nothing but dots");
        }
        // It becomes shorter each time, or stays as it is.
        let decoded = percent_decode_str(&text).decode_utf8_lossy();
        if decoded == text {
            return None;
        }
        if decoded.contains(['/', '\\', '\0']) {
            return Some("has an encoded slash, or a zero");
        }
        text = Cow::Owned(decoded.into_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_taken_for_a_way_out_is_found() {
        for part in [
            ".",
            "..",
            "...",
            "\u{2024}\u{2024}",
            "\u{2024}.",
            "\u{2025}",
            "\u{2026}",
            "\u{ff0e}\u{ff0e}",
            "\u{fe52}\u{fe52}",
            ".\u{200b}.",
            "\u{feff}..",
            "%2e%2e",
            "%2E.",
            ".%2e",
            "%252e%252e",
            "%25252e.",
            "%e2%80%a4%e2%80%a4",
            "%ef%bc%8e.",
            "a%2Fb",
            "a%2fb",
            "a%252fb",
            "..%5c..",
            "a%00",
            "a\u{2044}b",
            "a\u{2215}b",
            "a\u{ff0f}b",
            "a\u{29f8}b",
            "a\u{ff3c}b",
            "%ef%bc%8f",
            "a\u{2100}b",
            "\u{2106}",
            ".\u{fe0f}.",
            "..\u{2215}..",
        ] {
            assert!(deception(part).is_some(), "{part}");
        }
        for part in [
            "a",
            "a..b",
            "..a",
            "a.",
            ".hidden",
            "100%",
            "50%-x",
            "%41",
            "%20",
            "%ff",
            "%2",
            "%",
            "ä",
            "日本",
            "a…b",
            "क्‍ष",
            "👩‍🚀",
            "Ω.1",
            "a·b",
            "½",
            "․a",
            "",
        ] {
            assert_eq!(deception(part), None, "{part}");
        }
    }

    proptest! {
        #[test]
        fn decoding_ends(part in "(%|25|2e|2F|a|\\.){0,40}") {
            if deception(&part).is_none() && !part.contains('/') {
                let decoded = percent_decode_str(&part).decode_utf8_lossy().into_owned();
                prop_assert!(decoded != ".." && !decoded.contains('/'));
            }
        }
    }
}
