//! Places at which a process can be made to die, to see that nothing is lost.
//!
//! Without the cargo feature `failpoints`, which only tests enable, nothing of this is compiled in.

/// Notes that a place between two steps of a protocol is reached.
///
/// With the feature `failpoints`, the process aborts here if `BUTLER_FAILPOINT` is `name:n`, when it is
/// reached for the n-th time; and the name is written into the file `BUTLER_FAILPOINT_LOG`, if that is given.
#[inline]
pub fn reach(name: &str) {
    #[cfg(feature = "failpoints")]
    armed::reach(name);
    #[cfg(not(feature = "failpoints"))]
    let _ = name;
}

/// A number that tests set in the environment, to make resources scarce; none without the feature `failpoints`.
#[must_use]
pub fn number(variable: &str) -> Option<i64> {
    #[cfg(feature = "failpoints")]
    return std::env::var(variable).ok()?.parse().ok();
    #[cfg(not(feature = "failpoints"))]
    {
        let _ = variable;
        None
    }
}

#[cfg(feature = "failpoints")]
mod armed {
    use std::fs::File;
    use std::os::unix::fs::FileExt;
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Bytes of a name in the log.
    const WIDTH: usize = 40;

    static TARGET: LazyLock<Option<(String, u64)>> = LazyLock::new(|| {
        let target = std::env::var("BUTLER_FAILPOINT").ok()?;
        let (name, count) = target.rsplit_once(':')?;
        Some((name.to_owned(), count.parse().ok()?))
    });

    static LOG: LazyLock<Option<File>> =
        LazyLock::new(|| File::create(std::env::var_os("BUTLER_FAILPOINT_LOG")?).ok());

    static REACHED: AtomicU64 = AtomicU64::new(0);

    pub(super) fn reach(name: &str) {
        if let Some(log) = &*LOG {
            let line = format!("{name:<WIDTH$}");
            // A name that is not written is one kill that is not counted.
            let _ = log.write_all_at(&line.as_bytes()[..WIDTH], 0);
        }
        if let Some((target, count)) = &*TARGET
            && target == name
            && REACHED.fetch_add(1, Ordering::Relaxed) + 1 == *count
        {
            std::process::abort();
        }
    }
}
