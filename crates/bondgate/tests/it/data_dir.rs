//! The data folder: one process each, and its master key.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use bondgate::config::data_dir::DataDir;
use policy::secret::Secret;
use store::keys::KeyHasher;

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_folder_is_made_for_this_user_alone() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("deep/data");
    let data = DataDir::open(&path).unwrap();
    data.master_key(None).unwrap();
    assert_eq!(mode(&path), 0o700);
    assert_eq!(mode(&path.join("master.key")), 0o600);
    assert_eq!(mode(&path.join("lock")), 0o600);
}

#[test]
fn a_second_process_is_refused_and_told_who_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let first = DataDir::open(folder.path()).unwrap();
    let said = DataDir::open(folder.path()).unwrap_err().to_string();
    assert!(
        said.contains(&format!("in use by process {}", std::process::id())),
        "{said}"
    );
    drop(first);
    DataDir::open(folder.path()).unwrap();
}

#[test]
fn the_master_key_is_made_once_and_a_configured_one_wins() {
    let folder = tempfile::tempdir().unwrap();
    let data = DataDir::open(folder.path()).unwrap();
    let hash = |configured: Option<&Secret>| {
        let master_key = data.master_key(configured).unwrap();
        KeyHasher::new(master_key.reveal().as_bytes()).hash("secret")
    };
    assert_eq!(hash(None), hash(None));
    let configured = Secret::new("a master key of some length".to_owned());
    assert_ne!(hash(None), hash(Some(&configured)));
}

#[test]
fn a_master_key_that_others_can_read_or_that_is_damaged_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = DataDir::open(folder.path()).unwrap();
    data.master_key(None).unwrap();
    let path = folder.path().join("master.key");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(
        data.master_key(None)
            .err()
            .unwrap()
            .to_string()
            .contains("chmod 600")
    );
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&path, "").unwrap();
    assert!(
        data.master_key(None)
            .err()
            .unwrap()
            .to_string()
            .contains("holds no key")
    );
}
