//! From the text that a template makes to a path.

use arcstr::ArcStr;
use butler_core::{Error, ErrorKind, Result};

use crate::confusable::{deception, is_like_dot, is_like_slash, is_unseen};
use crate::journal::looks_reserved;

/// Bytes of a name that file systems allow.
const NAME_MAX: usize = 255;

/// Bytes of a path that object stores allow.
const PATH_MAX: usize = 1024;

/// Bytes that are kept free in a name: `~` and eight digits, if the path is about to be removed.
const RESERVE: usize = 9;

/// Bytes of an extension.
const EXTENSION_MAX: usize = 32;

/// Appends a value of text with what makes trouble in paths replaced.
pub(super) fn sanitise(value: &str, keeps_slashes: bool) -> String {
    value
        .chars()
        .map(|c| match c {
            ' ' | '<' | '>' | ':' | '"' | '\\' | '|' | '?' | '*' => '_',
            '/' if !keeps_slashes => '_',
            c if c.is_control() => '_',
            c => c,
        })
        .collect()
}

/// An extension of a file from outside, with what makes trouble in paths replaced, and what is taken for it.
///
/// Of percent signs nothing can be decoded afterwards, as there are none.
pub(crate) fn clean_extension(extension: &str) -> String {
    let deceives = |c: char| c == '%' || is_like_slash(c) || is_like_dot(c) || is_unseen(c);
    let mut cleaned = sanitise(extension, false).replace(deceives, "_").replace('#', "HASH");
    while cleaned.contains("..") {
        cleaned = cleaned.replace("..", ".");
    }
    let mut end = cleaned.len().min(EXTENSION_MAX);
    while !cleaned.is_char_boundary(end) {
        end -= 1;
    }
    cleaned[..end].trim_end_matches('.').to_owned()
}

/// The path of a rendered template with an extension.
///
/// # Errors
/// `Template` if it would leave the root, or is too long, or has no file name.
pub(super) fn finish(rendered: &str, extension: &str) -> Result<ArcStr> {
    let refuse = |problem: &str| {
        Err(Error::new(ErrorKind::Template, format!("the path '{}' {problem}", rendered.escape_debug())))
    };
    let (directories, name) = rendered.rsplit_once('/').unwrap_or(("", rendered));
    let name = name.replace('.', "_").replace('#', "HASH");
    if name.is_empty() {
        return refuse("has no file name");
    }
    if let Some(problem) = deception(&name) {
        return refuse(problem);
    }
    let mut path = String::with_capacity(rendered.len() + extension.len());
    for part in directories.split('/').filter(|part| !part.is_empty()) {
        if part == "." || part == ".." {
            return refuse("leaves its directory");
        }
        if let Some(problem) = deception(part) {
            return refuse(problem);
        }
        if path.is_empty() && looks_reserved(part) {
            return refuse("is where the repository keeps its own files");
        }
        if part.len() > NAME_MAX {
            return refuse("has a directory of more than 255 bytes");
        }
        path.push_str(part);
        path.push('/');
    }
    if let Some(problem) = deception(extension) {
        return refuse(problem);
    }
    push_name(&mut path, &name, extension);
    if path.len() > PATH_MAX {
        return refuse("has more than 1024 bytes");
    }
    Ok(path.into())
}

/// Appends a file name, shortened if it is too long: two different ones stay different.
fn push_name(path: &mut String, name: &str, extension: &str) {
    let room = NAME_MAX - RESERVE - extension.len().min(EXTENSION_MAX);
    if name.len() <= room {
        path.push_str(name);
    } else {
        let digest = blake3::hash(name.as_bytes()).to_hex();
        let digits = &digest[..16];
        let mut end = room - 1 - digits.len();
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        path.push_str(&name[..end]);
        path.push('~');
        path.push_str(digits);
    }
    path.push_str(extension);
}
