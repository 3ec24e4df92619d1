//! Formats of files that are put and written: which they are, whether a file is of it, and how an object becomes one.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use butler::{
    Error, ErrorKind, Formatter, Object, ReadParameters, ReadRequest, ReadSource, Result, StorageClass,
    Structured,
};
use bytes::Bytes;

/// Extensions that files of a format have elsewhere, beside that which its formatter gives them.
const EXTENSIONS: [(&str, &str); 9] = [
    ("csv", "csv"),
    ("fit", "fits"),
    ("fts", "fits"),
    ("parquet", "parquet"),
    // Its formatter's own, which may not be in this build.
    ("parq", "parquet"),
    ("pq", "parquet"),
    ("yml", "yaml"),
    ("mpk", "msgpack"),
    ("tml", "toml"),
];

/// Components that are read without the whole, and of which a file that is cut short has none.
const CHEAP: [&str; 2] = ["rowcount", "header"];

/// The formatter that the end of a file's name tells, of those that a storage class can be written by.
pub(super) fn named(class: &StorageClass, file: &str) -> Option<Arc<dyn Formatter>> {
    let extension = Path::new(file).extension()?.to_str()?.to_ascii_lowercase();
    let alias = EXTENSIONS.iter().find(|(other, _)| *other == extension).map(|(_, name)| *name);
    suitable(class)
        .into_iter()
        .find(|formatter| formatter.extension()[1..] == extension || Some(formatter.name()) == alias)
}

/// The name of the format that the end of a file's name tells, whether or not it is known here.
///
/// Text and bytes are of any format.
fn told(file: &str) -> Option<String> {
    let extension = Path::new(file).extension()?.to_str()?.to_ascii_lowercase();
    if let Some((_, name)) = EXTENSIONS.iter().find(|(other, _)| *other == extension) {
        return Some((*name).to_owned());
    }
    let known = butler::formatters();
    let told = known.iter().find(|formatter| formatter.extension()[1..] == extension)?;
    (!matches!(told.name(), "text" | "bytes")).then(|| told.name().to_owned())
}

/// Whether what a formatter wrote can be delivered under a name as it is: if the name tells no other format, or no
/// format at all, and if it is known here what the bytes are.
pub(super) fn is_as_told(formatter: &str, file: &str) -> bool {
    let is_free = matches!(formatter, "text" | "bytes") || butler::formatters().get(formatter).is_err();
    is_free || told(file).is_none_or(|told| told == formatter)
}

/// The formatters that read and write objects of a storage class, its own first.
fn suitable(class: &StorageClass) -> Vec<Arc<dyn Formatter>> {
    let known = butler::formatters();
    let fits = |formatter: &&Arc<dyn Formatter>| formatter.in_memory().contains(&class.in_memory.as_str());
    let mut suitable: Vec<_> = known.iter().filter(fits).cloned().collect();
    suitable.sort_by_key(|formatter| class.formatter.as_deref() != Some(formatter.name()));
    suitable
}

/// Checks that a file is what its name says, or else what a storage class can be read from.
///
/// Returns the formatter that read it, which is to be recorded: the dataset type's or the genre's may be another,
/// by which nobody could read it. None if only a formatter that is not known here may read it.
///
/// # Errors
/// `Formatter` if it is not; `Argument` if it cannot be read.
pub(super) fn check(class: &StorageClass, file: &str, path: &Path) -> Result<Option<Arc<dyn Formatter>>> {
    let shown = if file == "-" { "standard input" } else { file };
    let mut source = FileSource::open(path, shown)?;
    let cheap = CHEAP.into_iter().find(|name| class.derived_components.contains_key(*name));
    let mut read = |formatter: &dyn Formatter| {
        let request = ReadRequest { class, component: cheap, parameters: &ReadParameters::new() };
        formatter.read(&mut source, &request).map(drop)
    };
    let refused = |error: &Error, formats: &[&str]| {
        let message =
            format!("{shown} is no {} of storage class '{class}': {}", formats.join(" or "), error.message());
        Error::new(ErrorKind::Formatter, message)
            .with_hint("the end of the file's name tells the format; --storage-class says what is in it")
    };
    if let Some(formatter) = named(class, file) {
        return match read(&*formatter) {
            Ok(()) => Ok(Some(formatter)),
            Err(error) => Err(refused(&error, &[formatter.name()])),
        };
    }
    let suitable = suitable(class);
    // What is configured for the class may be one that is not known here.
    let knows = |own: &str| suitable.iter().any(|formatter| formatter.name() == own);
    if class.formatter.as_deref().is_some_and(|own| !knows(own)) {
        return Ok(None);
    }
    let mut first = None;
    for formatter in &suitable {
        match read(&**formatter) {
            Ok(()) => return Ok(Some(Arc::clone(formatter))),
            Err(error) => drop(first.get_or_insert(error)),
        }
    }
    // A class without a formatter leaves it to the genre, whose may be one that is not known here.
    let Some(error) = first.filter(|_| class.formatter.is_some()) else { return Ok(None) };
    let names: Vec<&str> = suitable.iter().map(|formatter| formatter.name()).collect();
    Err(refused(&error, &names))
}

/// The bytes of a file with an object, in the format that its name tells, or else that of the storage class.
///
/// # Errors
/// `Unsupported` if no formatter can write it, or not as its name tells; `Formatter` if the format cannot hold it.
pub(super) fn encode(object: &Object, class: &StorageClass, file: &str) -> Result<Bytes> {
    if object.is::<Bytes>() {
        return Ok(object.downcast_ref::<Bytes>()?.clone());
    }
    if object.is::<String>() {
        return Ok(object.downcast_ref::<String>()?.clone().into());
    }
    let named = named(class, file);
    if let (None, Some(told)) = (&named, told(file)) {
        return Err(untold(object, class, file, &told));
    }
    if object.is::<Structured>() && named.is_none() {
        let value = object.downcast_ref::<Structured>()?;
        return Ok(format!("{}\n", serde_json::to_string_pretty(value).unwrap_or_default()).into());
    }
    let formatter = named.or_else(|| suitable(class).into_iter().next()).ok_or_else(|| {
        Error::new(ErrorKind::Unsupported, format!("no formatter here writes a {}", object.type_name()))
            .with_hint("get the whole dataset, which is written as it is stored")
    })?;
    let mut bytes = Vec::new();
    formatter.write(object, class, &mut bytes)?;
    Ok(bytes.into())
}

/// The error for an object that cannot be written as the end of a file's name tells.
fn untold(object: &Object, class: &StorageClass, file: &str, told: &str) -> Error {
    let names = suitable(class).iter().map(|formatter| formatter.name().to_owned()).collect::<Vec<_>>();
    let hint = match butler::formatters().get(told) {
        Err(_) => format!("this build lacks the feature '{told}'; it writes: {}", names.join(", ")),
        Ok(_) => format!("it can be written as: {}; a name without an end tells none", names.join(", ")),
    };
    let message =
        format!("the name of {file} tells {told}, as which no {} can be written", object.type_name());
    Error::new(ErrorKind::Unsupported, message).with_hint(hint)
}

/// A local file.
struct FileSource {
    file: File,
    size: u64,
    shown: String,
}

impl FileSource {
    fn open(path: &Path, shown: &str) -> Result<Self> {
        let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
        let (size, file) = opened.map_err(|error| unreadable(shown, error))?;
        Ok(Self { file, size, shown: shown.to_owned() })
    }
}

fn unreadable(shown: &str, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Argument, format!("{shown} cannot be read: {error}")).with_source(error)
}

impl ReadSource for FileSource {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_all(&mut self) -> Result<Bytes> {
        self.read_range(0, self.size)
    }

    fn read_range(&mut self, offset: u64, len: u64) -> Result<Bytes> {
        let len = len.min(self.size.saturating_sub(offset));
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
        self.file.read_exact_at(&mut bytes, offset).map_err(|error| unreadable(&self.shown, error))?;
        Ok(bytes.into())
    }
}
