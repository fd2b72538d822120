//! Bundles: what is wrong in their sources, beside them, and in themselves.

use std::fs::{self, File};

use super::place::{Place, Tiny};

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: map}\n";
const HEADER: &str = "format = 1\n";

fn component(name: &str, rest: &str) -> String {
    format!(
        "[[component]]\nname = \"{name}\"\nchart = \"charts/one\"\nnamespace = \"n\"\ntimeout = \"1m\"\n{rest}\n"
    )
}

/// A place with an overlay, and a kubectl that prints `objects.yaml`.
pub(crate) fn sources() -> Place {
    let place = Place::new();
    place.program("helm", "true");
    place.program("kubectl", &format!("cat {}", place.text("objects.yaml")));
    place.write("manifests/base/one/kustomization.yaml", "");
    place.write("manifests/overlays/lab/one/kustomization.yaml", "");
    place.write("manifests/bundle.toml", format!("{HEADER}{}", component("one", "")));
    place.write("objects.yaml", MAP);
    place
}

pub(crate) const BUILD: [&str; 5] = ["bundle", "build", "manifests/overlays/lab", "--output", "out/bundle"];

#[test]
fn a_bundle_of_bad_objects_is_not_built_and_the_earlier_one_stays() {
    let place = sources();
    place.done(&BUILD);
    let before = place.look(&["out"]);
    let mut huge = MAP.to_owned().into_bytes();
    huge.extend(format!("data:\n  key: {}\n", "x".repeat(10 << 20)).into_bytes());
    let twice = format!("{MAP}---\n{MAP}");
    let table: [(&[u8], &[&str]); 7] = [
        (b"", &["one", "it is empty"]),
        (b"\xff\xfe\x00", &["one", "not text"]),
        (b"a: [1\n", &["one"]),
        (b"kind: ConfigMap\nmetadata: {name: a}\n", &["one", "no apiVersion"]),
        (b"apiVersion: v1\nkind: ConfigMap\nmetadata: 5\n", &["one", "metadata"]),
        (twice.as_bytes(), &["one", "configmap-n-map.yaml", "two objects"]),
        (&huge, &["one/configmap-n-map.yaml", "10485", "more than the"]),
    ];
    for (objects, words) in table {
        place.write("objects.yaml", objects);
        place.refused(
            &BUILD,
            1,
            &[words, &["manifests/overlays/lab", "previous bundle is untouched"]].concat(),
        );
    }
    assert_eq!(place.look(&["out"]), before);
}

#[test]
fn a_bundle_of_bad_components_is_not_built() {
    let place = sources();
    place.done(&BUILD);
    let before = place.look(&["out"]);
    let cycle = component("one", "after = [\"two\"]") + &component("two", "after = [\"one\"]");
    let table = [
        (cycle, "one -> two -> one"),
        (component("one", "after = [\"ghost\"]"), "ghost, which is no component"),
        (component("one", "colour = \"red\""), "colour"),
        (component("one", "gate = \"yes\""), "gate"),
        (component("one", "") + &component("one", ""), "one is declared twice"),
    ];
    for (text, word) in table {
        place.write("manifests/bundle.toml", format!("{HEADER}{text}"));
        place.refused(&BUILD, 1, &["manifests/bundle.toml", word, "hint: "]);
    }
    place.write("manifests/bundle.toml", b"\xff\xfe\x00");
    place.refused(&BUILD, 1, &["manifests/bundle.toml", "UTF-8"]);
    fs::remove_file(place.path("manifests/bundle.toml")).unwrap();
    place.refused(&BUILD, 1, &["manifests/bundle.toml", "No such file"]);
    assert_eq!(place.look(&["out"]), before);
}

#[test]
fn a_bundle_that_cannot_be_built_here_leaves_nothing() {
    let place = sources();
    place.refused(&["bundle", "build", "manifests/overlays/none", "-o", "out/bundle"], 1, &["overlays/none"]);
    let helm = [&BUILD[..], &["--helm", "no-such-helm"]].concat();
    place.refused(&helm, 1, &["component one", "no-such-helm", "--helm"]);
    place.program("kubectl", "echo 'no such patch' >&2; exit 3");
    place.refused(&BUILD, 1, &["overlays/lab/one", "no such patch"]);
    assert_eq!(place.look(&["out"]).len(), 1, "only the directory of the bundle");
    place.write("letters/dear", "friend");
    let over = ["bundle", "build", "manifests/overlays/lab", "-o", "letters"];
    place.refused(&over, 1, &["letters is not a bundle", "name another directory"]);
    assert_eq!(place.look(&["letters"]).len(), 2);
}

#[test]
fn a_full_disk_keeps_the_earlier_bundle() {
    let place = sources();
    let small = Tiny::mount(&place.path("out"), "512k");
    place.done(&BUILD);
    let before = place.look(&["out"]);
    place.write("objects.yaml", format!("{MAP}data:\n  key: {}\n", "x".repeat(600_000)));
    place.refused(&BUILD, 1, &["No space left", "hint: free space"]);
    assert_eq!(place.look(&["out"]), before);
    place.write("objects.yaml", MAP);
    place.done(&BUILD);
    drop(small);
}

#[test]
fn a_second_build_of_one_bundle_waits_for_nobody() {
    let place = sources();
    place.done(&BUILD);
    let before = place.look(&["out/bundle"]);
    fs::create_dir(place.path("out/.bundle.new")).unwrap();
    let lock = File::open(place.path("out/.bundle.new")).unwrap();
    lock.lock().unwrap();
    place.refused(&BUILD, 1, &["another odin is building", "out/bundle", "wait for it to end"]);
    assert_eq!(place.look(&["out/bundle"]), before);
    drop(lock);
    place.done(&BUILD);
    assert!(!place.path("out/.bundle.new").exists());
}

#[test]
fn a_bundle_that_was_touched_is_not_applied() {
    let place = sources();
    place.done(&BUILD);
    let object = "out/bundle/one/configmap-n-map.yaml";
    for (content, word) in
        [(&b""[..], "it is empty"), (b"\xff\xfe", "checksum"), (&vec![b'#'; 10 << 20], "more than")]
    {
        place.write(object, content);
        for arguments in [&["plan"][..], &["apply"], &["bundle", "show", "out/bundle"]] {
            place.refused(arguments, 1, &["one/configmap-n-map.yaml", word, "odin bundle build"]);
        }
    }
    place.done(&BUILD);
    place.refused(&["plan"], 1, &["kubeconfig", "No such file", "/etc/rancher/k3s/k3s.yaml"]);
    place.write("kubeconfig", b"\xff\xfe\x00");
    place.refused(&["apply"], 1, &["kubeconfig", "hint: "]);
}
