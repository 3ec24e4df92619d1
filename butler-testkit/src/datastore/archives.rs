//! Artifacts that are together in a zip archive.

use std::path::{Path, PathBuf};

use butler_core::datastore::{ArchiveFile, ArchiveMember, ArtifactBody, TransferMode, WriteRequest};
use butler_core::{DatasetRef, Error, ErrorKind, Result};

use super::DatastoreHarness;
use super::fixture::{Fixture, decode, fails};

/// Bytes of an archive whose members are stored as they are (APPNOTE.TXT of PKWARE, 4.3).
pub(super) fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in members {
        let (begin, length) = (bytes.len() as u32, (content.len() as u32).to_le_bytes());
        // Version 2.0, names in UTF-8, stored, the first of January 1980.
        let mut header = [20, 0, 0, 8, 0, 0, 0, 0, 33, 0].to_vec();
        header.extend([crc32(content).to_le_bytes(), length, length].concat());
        header.extend((name.len() as u16).to_le_bytes());
        header.extend([0; 2]);
        bytes.extend([b"PK\x03\x04", &header[..], name.as_bytes(), content].concat());
        directory.extend([b"PK\x01\x02\x14\0", &header[..], &[0; 10], &begin.to_le_bytes()].concat());
        directory.extend(name.as_bytes());
    }
    let (count, begin) = ((members.len() as u16).to_le_bytes(), (bytes.len() as u32).to_le_bytes());
    let length = (directory.len() as u32).to_le_bytes();
    bytes.extend(directory);
    bytes.extend([b"PK\x05\x06\0\0\0\0", &count[..], &count, &length, &begin, &[0, 0]].concat());
    bytes
}

/// CRC-32 of ISO 3309.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

fn member(path: &str, datasets: &[&DatasetRef]) -> ArchiveMember {
    ArchiveMember {
        path: path.into(),
        datasets: datasets.iter().map(|dataset| dataset.id()).collect(),
        component: None,
        formatter: "plain".into(),
        storage_class: datasets[0].dataset_type().storage_class().clone(),
        size: None,
        checksum: None,
    }
}

fn request(
    path: &Path,
    datasets: &[&DatasetRef],
    members: Vec<ArchiveMember>,
    mode: TransferMode,
) -> WriteRequest {
    let archive = ArchiveFile {
        path: path.to_string_lossy().as_ref().into(),
        name: "zips/abcd/abcd.zip".into(),
        datasets: datasets.iter().map(|dataset| (*dataset).clone()).collect(),
        members,
    };
    WriteRequest::IngestArchive { archive, mode }
}

/// A fixture that takes archives by copying them, with one that holds two numbers.
struct Two {
    fixture: Fixture,
    source: PathBuf,
    datasets: [DatasetRef; 2],
}

impl Two {
    async fn new(h: &dyn DatastoreHarness) -> Result<Option<Self>> {
        let fixture = Fixture::new(h).await?;
        let source = fixture.scratch().join("some.zip");
        let bytes = zip(&[("index", b"{}"), ("1.plain", b"1"), ("a/2.plain", b"2")]);
        std::fs::write(&source, bytes)
            .map_err(|error| Error::new(ErrorKind::Unexpected, error.to_string()))?;
        let datasets = [1, 2].map(|n| fixture.dataset("x", "Number", n));
        let this = Self { fixture, source, datasets };
        if this.fixture.datastore.capabilities().archives && this.fixture.takes(TransferMode::Copy) {
            return Ok(Some(this));
        }
        let mode = TransferMode::Copy;
        fails(this.fixture.write(vec![this.request(mode)]).await, ErrorKind::Unsupported);
        Ok(None)
    }

    fn request(&self, mode: TransferMode) -> WriteRequest {
        let [one, two] = &self.datasets;
        let members = vec![member("1.plain", &[one]), member("a/2.plain", &[two])];
        request(&self.source, &[one, two], members, mode)
    }

    async fn ingest(&self) -> Result<Vec<DatasetRef>> {
        self.fixture.write(vec![self.request(TransferMode::Copy)]).await
    }
}

pub(super) async fn members_are_read_as_artifacts(h: &dyn DatastoreHarness) -> Result<()> {
    let Some(two) = Two::new(h).await? else { return Ok(()) };
    let stored = two.ingest().await?;
    let fixture = &two.fixture;
    for (dataset, (expected, name)) in stored.iter().zip([(1, "1.plain"), (2, "a/2.plain")]) {
        assert_eq!(fixture.value(dataset).await?, expected);
        assert!(fixture.exists(dataset).await?);
        let uri = decode(&fixture.uri(dataset, false).await?);
        assert!(uri.ends_with(&format!("/zips/abcd/abcd.zip#zip-path={name}")), "{uri}");
        let artifact = fixture.datastore.open(dataset).await?.remove(0);
        assert_eq!(Some(artifact.file_name.as_str()), name.rsplit('/').next());
        assert_eq!(artifact.size, Some(1));
        let ArtifactBody::Bytes(bytes) = artifact.body else { panic!("it is no file") };
        assert_eq!(bytes, expected.to_string().as_bytes());
    }
    Ok(())
}

pub(super) async fn parts_and_shared_members_are_read(h: &dyn DatastoreHarness) -> Result<()> {
    let Some(Two { fixture, source, datasets: [one, two] }) = Two::new(h).await? else { return Ok(()) };
    let pair = fixture.dataset("p", "Pair", 1);
    let part = |path: &str, name: &str, class: &str| ArchiveMember {
        component: Some(name.into()),
        storage_class: class.into(),
        ..member(path, &[&pair])
    };
    let members = vec![
        member("1.plain", &[&one, &two]),
        part("a/2.plain", "a", "Counter"),
        part("1.plain", "b", "int"),
    ];
    let request = request(&source, &[&one, &two, &pair], members, TransferMode::Copy);
    let stored = fixture.write(vec![request]).await?;
    assert_eq!(fixture.value(&stored[0]).await?, 1);
    assert_eq!(fixture.value(&stored[1]).await?, 1);
    assert_eq!(fixture.value(&stored[2]).await?, serde_json::json!({"a": 2, "b": 1}));
    Ok(())
}

pub(super) async fn an_archive_goes_with_its_last_dataset(h: &dyn DatastoreHarness) -> Result<()> {
    let Some(two) = Two::new(h).await? else { return Ok(()) };
    let [one, other] = <[DatasetRef; 2]>::try_from(two.ingest().await?).expect("there are two");
    let fixture = &two.fixture;
    fixture.remove(&[one]).await?;
    assert_eq!(fixture.value(&other).await?, 2);
    fixture.remove(&[other]).await?;
    assert_eq!(fixture.files().await?, [""; 0]);
    assert!(two.source.exists());
    two.ingest().await.map(drop)
}

pub(super) async fn unsound_archives_are_refused(h: &dyn DatastoreHarness) -> Result<()> {
    let Some(two) = Two::new(h).await? else { return Ok(()) };
    let sound = zip(&[("1.plain", b"1"), ("a/2.plain", b"2")]);
    let with = |name: &str| zip(&[("1.plain", b"1"), ("a/2.plain", b"2"), (name, b"x")]);
    let long = "n".repeat(2000);
    let mut hostile: Vec<Vec<u8>> = [
        "../x",
        "/etc/x",
        "a/../../x",
        "%2e%2e/x",
        "%252e%252e%252fx",
        "a\\..\\x",
        "c:x",
        "a\0b",
        "\u{2025}/x",
        "\u{ff0e}\u{ff0e}/x",
        "a\u{2215}x",
        "a\u{202e}x",
        "1.plain",
        &long,
    ]
    .iter()
    .map(|name| with(name))
    .collect();
    hostile.extend([sound[..sound.len() - 5].to_vec(), sound[..20].to_vec(), b"no zip".to_vec(), Vec::new()]);
    for bytes in hostile {
        std::fs::write(&two.source, &bytes)
            .map_err(|error| Error::new(ErrorKind::Unexpected, error.to_string()))?;
        fails(two.ingest().await, ErrorKind::Corrupt);
        assert_eq!(two.fixture.files().await?, [""; 0]);
    }
    Ok(())
}

pub(super) async fn what_an_archive_does_not_hold_is_refused(h: &dyn DatastoreHarness) -> Result<()> {
    let Some(Two { fixture, source, datasets: [one, two] }) = Two::new(h).await? else { return Ok(()) };
    let others = fixture.dataset("x", "Number", 3);
    let both = |members| request(&source, &[&one, &two], members, TransferMode::Copy);
    let second = || member("a/2.plain", &[&two]);
    for members in [
        vec![member("1.plain", &[&one])],
        vec![member("1.plain", &[&one]), member("3.plain", &[&two])],
        vec![member("1.plain", &[&one]), member("../2.plain", &[&two])],
        vec![member("1.plain", &[&one]), member("a/2.plain", &[&others]), second()],
        vec![member("1.plain", &[&one]), ArchiveMember { size: Some(2), ..second() }],
        vec![member("1.plain", &[&one]), ArchiveMember { datasets: Vec::new(), ..second() }],
    ] {
        fails(fixture.write(vec![both(members)]).await, ErrorKind::Corrupt);
    }
    let mut outside = both(vec![member("1.plain", &[&one]), second()]);
    if let WriteRequest::IngestArchive { archive, .. } = &mut outside {
        archive.name = "../outside.zip".into();
    }
    fails(fixture.write(vec![outside]).await, ErrorKind::Corrupt);
    assert_eq!(fixture.files().await?, [""; 0]);
    Ok(())
}

pub(super) async fn archives_come_in_like_files(h: &dyn DatastoreHarness) -> Result<()> {
    let Some(two) = Two::new(h).await? else { return Ok(()) };
    let fixture = &two.fixture;
    for mode in [TransferMode::Direct, TransferMode::Move] {
        if !fixture.takes(mode) {
            continue;
        }
        let stored = fixture.write(vec![two.request(mode)]).await?;
        assert_eq!(fixture.value(&stored[1]).await?, 2, "{mode}");
        assert_eq!(two.source.exists(), mode == TransferMode::Direct);
        if mode == TransferMode::Direct {
            fixture.remove(&stored).await?;
            assert!(two.source.exists(), "it is not the datastore's");
        }
    }
    Ok(())
}

pub(super) async fn a_lost_archive_is_told(h: &dyn DatastoreHarness) -> Result<()> {
    let Some(two) = Two::new(h).await? else { return Ok(()) };
    let stored = two.ingest().await?;
    let fixture = &two.fixture;
    let Some(backstage) = fixture.backstage() else { return Ok(()) };
    backstage.write("zips/abcd/abcd.zip", b"damaged").await?;
    fails(fixture.value(&stored[0]).await, ErrorKind::Corrupt);
    backstage.delete("zips/abcd/abcd.zip").await?;
    fails(fixture.value(&stored[1]).await, ErrorKind::NotFound);
    assert!(!fixture.exists(&stored[1]).await?);
    Ok(())
}
