//! Libraries that are none, and drivers that refuse.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::{in_child, until};

#[test]
fn every_wrong_library_is_a_state() {
    in_child("bad_input::every_wrong_library_is_a_state", "", |machine| {
        let text = machine.directory.join("libnvidia-ml.so.1");
        std::fs::write(&text, "this is no library\n").expect("a file");
        let directory = machine.directory.join("directory.so");
        std::fs::create_dir(&directory).expect("a directory");
        let cases = [
            ("/nonexistent/libnvidia-ml.so.1", "missing"),
            ("libnvidia-ml-of-no-driver.so.1", "missing"),
            (text.to_str().expect("UTF-8"), "not_a_library"),
            (directory.to_str().expect("UTF-8"), "not_a_library"),
            ("libm.so.6", "not_nvml"),
        ];
        for (path, state) in cases {
            let fleet = machine.fleet_with(Path::new(path));
            let page = until(&fleet, |page| page.library() != "opening");
            assert_eq!(page.library(), state, "{path}");
            assert!(page.samples("odin_gpu_devices").is_empty(), "a count nobody made");
            assert!(!page.0.contains("DCGM_"), "{path}");
            fleet.stop();
        }
    });
}

#[test]
fn every_refusal_of_the_driver_is_a_state() {
    let cases = [
        ("driver-not-loaded", "driver_not_loaded"),
        ("no-permission", "no_permission"),
        ("lib-rm-version-mismatch", "version_mismatch"),
        ("unknown", "failed"),
    ];
    in_child("bad_input::every_refusal_of_the_driver_is_a_state", "count = 1\n", |machine| {
        for (error, state) in cases {
            machine.becomes(&format!(
                "count = 1\n[[fault]]\nkind = \"fails\"\nerror = \"{error}\"\ncalls = [\"nvmlInit_v2\"]\n"
            ));
            let fleet = machine.fleet();
            let page = until(&fleet, |page| page.library() != "opening");
            assert_eq!(page.library(), state, "{error}");
            assert!(page.samples("odin_gpu_devices").is_empty(), "a count nobody made");
            assert!(fleet.health().unavailable.is_some_and(|finding| !finding.next_step.is_empty()));
            // The driver comes, and nothing has to be started again.
            machine.becomes("count = 1\n");
            until(&fleet, |page| page.library() == "open" && page.state(0) == "running");
            fleet.stop();
        }
    });
}

#[test]
fn a_gpu_that_refuses_this_user_is_a_state() {
    let scenario = "count = 2\n[[fault]]\nkind = \"fails\"\nerror = \"no-permission\"\ngpu = 1\n";
    in_child("bad_input::a_gpu_that_refuses_this_user_is_a_state", scenario, |machine| {
        let fleet = machine.fleet();
        until(&fleet, |page| page.state(0) == "running" && page.state(1) == "no_permission");
    });
}

#[test]
fn a_library_that_may_not_be_read_is_a_state() {
    in_child("bad_input::a_library_that_may_not_be_read_is_a_state", "", |machine| {
        // Root may read everything, so the state is told by the linker's words.
        let path = machine.directory.join("locked.so");
        std::fs::write(&path, "").expect("a file");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).expect("a mode");
        let fleet = machine.fleet_with(&path);
        let page = until(&fleet, |page| page.library() != "opening");
        assert!(["unreadable", "not_a_library"].contains(&page.library().as_str()), "{}", page.library());
    });
}
