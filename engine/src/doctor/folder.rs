//! Whether a folder of this machine can be written, or made.

use std::path::Path;

use connectors::finding::Finding;

/// Examines `folder`, which `setting` names. Makes it not.
pub(super) fn examine(check: &str, folder: &Path, setting: &str) -> Finding {
    let shown = folder.display();
    let Some(existing) = folder.ancestors().find(|part| part.exists()) else {
        return Finding::problem(
            check,
            format!("{shown}: none of its folders is there"),
            format!("name another folder in {setting}"),
        );
    };
    if !existing.is_dir() {
        let found = format!("{} is a file", existing.display());
        return Finding::problem(check, found, format!("remove it, or name a folder in {setting}"));
    }
    match tempfile::Builder::new().prefix(".engine-doctor-").tempfile_in(existing) {
        Ok(_) if existing == folder => Finding::ok(check, format!("{shown} can be written")),
        Ok(_) => Finding::ok(check, format!("{shown} is not there yet, and can be made")),
        Err(error) => {
            let fix = format!(
                "chown or chmod {} for the user that runs engine, or name another folder in {setting}",
                existing.display()
            );
            Finding::problem(check, format!("{} cannot be written: {error}", existing.display()), fix)
        }
    }
}

#[cfg(test)]
mod tests {
    use connectors::finding::Level;

    use super::*;

    #[test]
    fn a_folder_is_examined_and_not_made() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("a/b");
        let found = examine("lake", &folder, "[lake] url");
        assert_eq!((found.level, folder.parent().unwrap().exists()), (Level::Ok, false));
        assert!(found.found.ends_with("is not there yet, and can be made"), "{}", found.found);
        let found = examine("lake", parent.path(), "[lake] url");
        assert!(found.found.ends_with("can be written"), "{}", found.found);
        assert_eq!(parent.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn a_file_where_a_folder_should_be_is_a_problem() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("lake");
        std::fs::write(&file, "").unwrap();
        let found = examine("lake", &file.join("tables"), "[lake] url");
        assert_eq!(found.level, Level::Problem);
        assert!(found.fix.unwrap().contains("[lake] url"));
    }
}
