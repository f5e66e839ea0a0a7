//! What may happen when a store is opened: the right key, no key, a wrong one, a spoiled one.

use std::fs;

use proptest::prelude::*;

use super::*;
use crate::{random::SystemRandom, store::Meta, time::Timestamp, vault::Vault};

const STORE: &str = "store_1";

fn key() -> RootKey {
    RootKey::generate(&SystemRandom).unwrap()
}

fn text(key: &RootKey) -> String {
    BASE64.encode(&**key.bytes())
}

/// What a store whose root key is `key` says of its keys.
fn lock(key: &RootKey) -> Lock {
    let vault = Vault::new(RootKey::from_bytes(key.bytes().clone()), STORE);
    let created_at = Timestamp::from_millis(0);
    let (key_id, key_check) = (vault.key_id().into(), vault.key_check().to_vec());
    let meta = Meta { store_id: STORE.into(), key_id, key_check, created_at };
    Lock { meta, slots: vec![vault.direct_slot(created_at)] }
}

fn explicit(text: impl Into<String>) -> KeySource {
    KeySource::Explicit { origin: "ONBEHALF_KEY".into(), text: text.into().into() }
}

fn named(path: PathBuf) -> KeySource {
    KeySource::File { origin: "ONBEHALF_KEY_FILE".into(), path }
}

fn write_key_file(path: &Path, text: &str) {
    key_file::create(path, text).unwrap();
}

/// The id of the key that is loaded, or the code of the refusal.
fn outcome(source: &KeySource, lock: Option<&Lock>) -> String {
    match source.load(lock, STORE, &SystemRandom) {
        Ok(unlocked) => unlocked.root.id(),
        Err(error) => error.code().into(),
    }
}

/// Every file below, with what it holds.
fn snapshot(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

// A96: the ways a start goes wrong. Nothing is written in any of them.
#[test]
fn a_store_that_has_data_opens_with_its_own_key_and_no_other() {
    let (right, wrong) = (key(), key());
    let lock = lock(&right);
    let swapped = {
        // Another store's key file, put under this one's name.
        let other = tempfile::tempdir().unwrap();
        let source = KeySource::AutoFile { directory: other.path().into() };
        source.load(None, "store_2", &SystemRandom).unwrap();
        fs::read_to_string(other.path().join("store_2.key")).unwrap()
    };
    let truncated = text(&right)[..40].to_owned();
    let right_text = text(&right);
    let auto = |directory: &Path| KeySource::AutoFile { directory: directory.into() };
    let given = |text: String| move |_: &Path| explicit(text.clone());

    type Source<'a> = Box<dyn Fn(&Path) -> KeySource + 'a>;
    let cases: [(&str, Option<&str>, Source<'_>, String); 12] = [
        ("the right key file", Some(&right_text), Box::new(auto), right.id()),
        ("no key file", None, Box::new(auto), "KEY_MISSING".into()),
        ("another store's key file", Some(&swapped), Box::new(auto), "KEY_MISMATCH".into()),
        ("a truncated key file", Some(&truncated), Box::new(auto), "KEY_INVALID".into()),
        ("an empty key file", Some(""), Box::new(auto), "KEY_INVALID".into()),
        ("the right key given", None, Box::new(given(text(&right))), right.id()),
        ("a wrong key given", None, Box::new(given(text(&wrong))), "KEY_MISMATCH".into()),
        (
            "a wrong key given, the right file there",
            Some(&right_text),
            Box::new(given(text(&wrong))),
            "KEY_MISMATCH".into(),
        ),
        (
            "a spoiled key given, the right file there",
            Some(&right_text),
            Box::new(given("x".into())),
            "KEY_INVALID".into(),
        ),
        (
            "a file named that is the right one",
            Some(&right_text),
            Box::new(|directory| named(directory.join("store_1.key"))),
            right.id(),
        ),
        (
            "a file named that is not there",
            Some(&right_text),
            Box::new(|directory| named(directory.join("none.key"))),
            "KEY_MISSING".into(),
        ),
        ("no source at all", Some(&right_text), Box::new(|_| KeySource::Ephemeral), "KEY_MISSING".into()),
    ];
    for (case, file, source, expected) in cases {
        let directory = tempfile::tempdir().unwrap();
        if let Some(text) = file {
            write_key_file(&directory.path().join("store_1.key"), text);
        }
        let before = snapshot(directory.path());
        assert_eq!(outcome(&source(directory.path()), Some(&lock)), expected, "{case}");
        assert_eq!(snapshot(directory.path()), before, "{case}: nothing is written");
    }
}

// K5: the id alone is not believed, since whoever can write the database can write it.
#[test]
fn a_key_of_the_right_name_with_a_wrong_check_is_refused() {
    let key = key();
    let mut forged = lock(&key);
    forged.slots[0].key_check = vec![0; 32];
    assert_eq!(outcome(&explicit(text(&key)), Some(&forged)), "KEY_MISMATCH");
    let mut forged = lock(&key);
    forged.meta.key_check = vec![0; 32];
    assert_eq!(outcome(&explicit(text(&key)), Some(&forged)), "INTEGRITY_FAILED");
}

#[test]
fn an_empty_store_gets_a_key_file_once_and_keeps_it() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("config").join("keys");
    let source = KeySource::AutoFile { directory: directory.clone() };
    let made = source.load(None, STORE, &SystemRandom).unwrap().root;

    assert_eq!(fs::read_to_string(directory.join("store_1.key")).unwrap().trim(), text(&made));
    assert_eq!(fs::read_to_string(directory.join(".gitignore")).unwrap(), "*\n");
    assert_eq!(outcome(&source, Some(&lock(&made))), made.id());
    assert_eq!(outcome(&source, None), made.id(), "a start that was cut short begins again with the same key");
}

#[test]
fn a_file_that_was_named_is_never_made() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(outcome(&named(directory.path().join("my.key")), None), "KEY_INVALID");
    assert_eq!(snapshot(directory.path()), []);
}

#[test]
fn a_store_in_memory_has_a_new_key_each_time() {
    assert_ne!(outcome(&KeySource::Ephemeral, None), outcome(&KeySource::Ephemeral, None));
}

#[test]
fn a_store_id_that_is_no_file_name_reads_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let source = KeySource::AutoFile { directory: directory.path().join("keys") };
    for store_id in ["", "../stolen", "a/b", "a\\b", "C:", "a\0b", "."] {
        let error = source.load(None, store_id, &SystemRandom).unwrap_err();
        assert_eq!(error.code(), "INTEGRITY_FAILED", "{store_id:?}");
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_missing_key_is_named_with_the_place_where_it_was_looked_for() {
    let directory = tempfile::tempdir().unwrap();
    let key = key();
    let source = KeySource::AutoFile { directory: directory.path().into() };
    let message = source.load(Some(&lock(&key)), STORE, &SystemRandom).unwrap_err().to_string();
    assert!(message.contains(&key.id()), "{message}");
    assert!(message.contains(&directory.path().join("store_1.key").display().to_string()), "{message}");
}

proptest! {
    #[test]
    fn a_key_is_read_in_every_dialect_of_base64(bytes in prop::array::uniform32(any::<u8>())) {
        prop_assume!(!is_guessable(&bytes));
        let expected = RootKey::from_bytes(Key::new(bytes)).id();
        for encoding in [BASE64, BASE64_NOPAD, data_encoding::BASE64URL, data_encoding::BASE64URL_NOPAD] {
            let text = encoding.encode(&bytes);
            prop_assert_eq!(parse("test", &text).unwrap().id(), expected.clone());
            prop_assert_eq!(parse("test", &format!(" {text}\r\n")).unwrap().id(), expected.clone());
        }
    }

    // E6: what was given may be almost the key, so no refusal quotes it.
    #[test]
    fn a_key_that_is_refused_is_never_quoted(text in "[A-Za-z0-9+/=!]{8,60}") {
        if let Err(error) = parse("ONBEHALF_KEY", &text) {
            let said = format!("{error} {error:?}");
            prop_assert!(!said.contains(&text), "{}", said);
        }
    }
}

#[test]
fn what_is_no_random_key_is_refused_with_how_to_make_one() {
    let counted: [u8; 32] = std::array::from_fn(|index| index as u8 * 3);
    let halves: [u8; 32] = std::array::from_fn(|index| index as u8 % 15 * 11);
    let good = text(&key());
    let refused = [
        String::new(),
        "correct horse battery staple".into(),
        BASE64.encode(b"correct horse battery staple 123"),
        BASE64.encode(&[0; 32]),
        BASE64.encode(&[0xff; 32]),
        BASE64.encode(&counted),
        BASE64.encode(&halves),
        BASE64.encode(&[7; 16]),
        good[..43].repeat(2),
        format!("{good}="),
        format!("={}", &good[1..]),
        format!("!{}", &good[1..]),
        format!("{}\n{}", &good[..20], &good[21..]),
        "0f".repeat(32),
    ];
    for text in refused {
        let message = parse("ONBEHALF_KEY", &text).unwrap_err().to_string();
        assert!(message.starts_with("the key from ONBEHALF_KEY cannot be used: "), "{message}");
        assert!(message.contains("openssl rand -base64 32"), "{message}");
    }
}

#[cfg(unix)]
mod on_unix {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    // A97
    #[test]
    fn a_key_file_that_others_may_touch_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("my.key");
        let key = key();
        write_key_file(&path, &text(&key));
        for (mode, allowed) in [
            (0o600, true),
            (0o400, true),
            (0o700, true),
            (0o640, false),
            (0o620, false),
            (0o604, false),
            (0o602, false),
            (0o644, false),
            (0o666, false),
        ] {
            set_mode(&path, mode);
            let expected = if allowed { key.id() } else { "KEY_INVALID".into() };
            assert_eq!(outcome(&named(path.clone()), None), expected, "mode {mode:o}");
        }
    }

    // A97
    #[test]
    fn a_symbolic_link_is_not_followed_to_a_key() {
        let directory = tempfile::tempdir().unwrap();
        let (path, link) = (directory.path().join("my.key"), directory.path().join("store_1.key"));
        write_key_file(&path, &text(&key()));
        symlink(&path, &link).unwrap();
        let sources = [named(link.clone()), KeySource::AutoFile { directory: directory.path().into() }];
        for source in sources {
            let message = source.load(None, STORE, &SystemRandom).unwrap_err().to_string();
            assert!(message.contains("symbolic link"), "{message}");
        }
    }

    // A97: a link to nowhere must not become a key file in another's directory.
    #[test]
    fn a_key_is_not_made_through_a_symbolic_link() {
        let directory = tempfile::tempdir().unwrap();
        let elsewhere = directory.path().join("elsewhere");
        let link = directory.path().join("store_1.key");
        symlink(&elsewhere, &link).unwrap();
        assert_eq!(outcome(&KeySource::AutoFile { directory: directory.path().into() }, None), "KEY_INVALID");
        assert!(key_file::create(&link, "text").is_err());
        assert!(!elsewhere.exists());
    }

    #[test]
    fn a_directory_or_a_pipe_is_no_key_file() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        for path in [directory.path().to_owned(), pipe] {
            let message = named(path).load(None, STORE, &SystemRandom).unwrap_err().to_string();
            assert!(message.contains("not a regular file"), "{message}");
        }
    }

    #[test]
    fn what_is_made_is_its_owners_alone() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("keys");
        KeySource::AutoFile { directory: directory.clone() }.load(None, STORE, &SystemRandom).unwrap();
        assert_eq!((mode(&directory), mode(&directory.join("store_1.key"))), (0o700, 0o600));
    }

    #[test]
    fn no_key_is_made_where_others_may_write() {
        let directory = tempfile::tempdir().unwrap();
        set_mode(directory.path(), 0o777);
        assert_eq!(outcome(&KeySource::AutoFile { directory: directory.path().into() }, None), "KEY_INVALID");
        assert_eq!(snapshot(directory.path()), []);
    }
}
