//! Rendering: charts by helm, overlays by kustomize, once, at build time.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::manifest::{self, Entry, Header, Source, Sources};
use super::workplace::Workplace;
use super::{Bundle, order, sums, yaml};
use crate::Error;
use crate::object::Declared;

/// What to render, into what, with which programs.
#[derive(Clone, Debug)]
pub struct BuildOptions {
    /// Directory of the overlay, for example `manifests/overlays/lab`.
    pub overlay: PathBuf,
    /// Optional components that are wanted.
    pub with: Vec<String>,
    /// Directory of the bundle; an earlier bundle there is replaced.
    pub out: PathBuf,
    /// The helm program: a path, or a name looked up in PATH.
    pub helm: PathBuf,
    /// The kubectl program: a path, or a name looked up in PATH.
    pub kubectl: PathBuf,
}

/// Renders an overlay into a bundle and opens it.
///
/// The bundle is written beside its place and takes it when it is complete and
/// readable, so a failure or a kill leaves the earlier one untouched.
///
/// # Errors
/// When the sources are wrong, a program fails, or the directory named as
/// `out` is not a bundle.
pub fn build(options: &BuildOptions) -> Result<Bundle, Error> {
    build_unless(options, &|| false)
}

/// As [`build`], and ends before the next component when `stop` says so.
///
/// # Errors
/// As [`build`]; [`Error::Stopped`] when it was stopped.
pub fn build_unless(options: &BuildOptions, stop: &dyn Fn() -> bool) -> Result<Bundle, Error> {
    let refuse = |reason: String| Error::Build { overlay: options.overlay.clone(), reason };
    let overlay = options.overlay.canonicalize().map_err(|error| refuse(error.to_string()))?;
    check_target(&options.out).map_err(refuse)?;
    let render = Render::new(&overlay, options).map_err(refuse)?;
    let place = Workplace::take(&options.out).map_err(refuse)?;
    let stopped = || Error::Stopped { overlay: options.overlay.clone() };
    let refuse_or_stop = |reason: String| if stop() { stopped() } else { refuse(reason) };
    let files = render.run(&place.rendering(), stop).map_err(refuse_or_stop)?;
    if stop() {
        return Err(stopped());
    }
    let written = place.write(&files).map_err(refuse)?;
    // Reading it back before it takes its place keeps a bundle that cannot be
    // opened from replacing one that can.
    Bundle::open(&written).map_err(|error| match error {
        Error::Bundle { file, reason, .. } => refuse(format!("{file}: {reason}")),
        error => refuse(error.to_string()),
    })?;
    place.put_in_place().map_err(refuse)?;
    Bundle::open(&options.out)
}

struct Render<'a> {
    options: &'a BuildOptions,
    /// Directory of charts/, base/ and overlays/.
    root: PathBuf,
    /// Name of the overlay.
    overlay: String,
    components: Vec<Source>,
}

impl<'a> Render<'a> {
    fn new(overlay: &Path, options: &'a BuildOptions) -> Result<Self, String> {
        let name = overlay.file_name().and_then(OsStr::to_str).ok_or("its name is not text")?.to_owned();
        let root = overlay.parent().and_then(Path::parent).ok_or("it is not ROOT/overlays/NAME")?.to_owned();
        let path = root.join(manifest::FILE);
        let say = |reason: String| format!("{}: {reason}", path.display());
        let text = fs::read_to_string(&path).map_err(|error| say(error.to_string()))?;
        let sources: Sources =
            toml::from_str(&text).map_err(|error| say(manifest::first_lines(&error.to_string())))?;
        manifest::check_format(sources.format).map_err(say)?;
        let of_overlay = |source: &Source| source.overlays.as_ref().is_none_or(|names| names.contains(&name));
        let (optional, mut components): (Vec<Source>, Vec<Source>) =
            sources.components.into_iter().filter(of_overlay).partition(|source| source.optional);
        check_optional(&options.with, &optional, &components).map_err(say)?;
        components.extend(optional.into_iter().filter(|source| options.with.contains(&source.name)));
        order::arrange(components.iter().map(entry).collect()).map_err(say)?;
        Ok(Self { options, root, overlay: name, components })
    }

    fn run(&self, scratch: &Path, stop: &dyn Fn() -> bool) -> Result<BTreeMap<String, Vec<u8>>, String> {
        let overlay = Path::new("overlays").join(&self.overlay);
        copy(&self.root.join("base"), &scratch.join("base"))?;
        copy(&self.root.join(&overlay), &scratch.join(&overlay))?;
        let mut files = BTreeMap::new();
        for component in &self.components {
            if stop() {
                return Err("it was stopped".to_owned());
            }
            let name = &component.name;
            let rendered = self.template(component)?;
            let base = scratch.join("base").join(name);
            fs::write(base.join("rendered.yaml"), rendered)
                .map_err(|error| format!("component {name}: base/{name}: {error}"))?;
            let kustomized = self.kustomize(name, &scratch.join(&overlay).join(name))?;
            self.split(component, &kustomized, &mut files)?;
        }
        let header = Header {
            format: manifest::FORMAT,
            overlay: self.overlay.clone(),
            components: self.components.iter().map(entry).collect(),
        };
        let text = toml::to_string(&header).map_err(|error| error.to_string())?;
        files.insert(manifest::FILE.to_owned(), text.into_bytes());
        let listed = sums::render(&files);
        files.insert(sums::FILE.to_owned(), listed.into_bytes());
        Ok(files)
    }

    fn template(&self, component: &Source) -> Result<Vec<u8>, String> {
        let mut command = Command::new(&self.options.helm);
        command.args(["template", &component.name]).arg(self.root.join(&component.chart));
        command.args(["--namespace", &component.namespace, "--no-hooks", "--skip-tests"]);
        let values = self
            .root
            .join("overlays")
            .join(&self.overlay)
            .join("values")
            .join(format!("{}.yaml", component.name));
        if values.is_file() {
            command.arg("-f").arg(values);
        }
        output(command, &format!("helm template of component {}", component.name))
    }

    fn kustomize(&self, name: &str, dir: &Path) -> Result<Vec<u8>, String> {
        let mut command = Command::new(&self.options.kubectl);
        command.arg("kustomize").arg(dir);
        output(command, &format!("kubectl kustomize of overlays/{}/{name}", self.overlay))
    }

    fn split(
        &self,
        component: &Source,
        text: &[u8],
        files: &mut BTreeMap<String, Vec<u8>>,
    ) -> Result<(), String> {
        let say = |reason: String| format!("component {}: {reason}", component.name);
        for value in yaml::parse(text).map_err(say)? {
            let text = yaml::render(&value).map_err(say)?;
            let path = file_name(component, value).map_err(say)?;
            if files.insert(path.clone(), text.into_bytes()).is_some() {
                return Err(say(format!("two objects are called {path}")));
            }
        }
        Ok(())
    }
}

/// What is asked for by name must be there to be asked for, and what others
/// come after must be asked for.
fn check_optional(with: &[String], optional: &[Source], always: &[Source]) -> Result<(), String> {
    let names: Vec<&str> = optional.iter().map(|source| source.name.as_str()).collect();
    if let Some(unknown) = with.iter().find(|name| !names.contains(&name.as_str())) {
        let known = if names.is_empty() { "there is none".to_owned() } else { names.join(", ") };
        return Err(format!("{unknown} is no optional component of this overlay (those are: {known})"));
    }
    let wanted = optional.iter().filter(|source| with.contains(&source.name));
    for source in always.iter().chain(wanted) {
        let absent = |name: &&String| names.contains(&name.as_str()) && !with.contains(name);
        if let Some(absent) = source.after.iter().find(absent) {
            return Err(format!("{} comes after {absent}, which is optional: --with {absent}", source.name));
        }
    }
    Ok(())
}

fn entry(source: &Source) -> Entry {
    Entry {
        name: source.name.clone(),
        namespace: source.namespace.clone(),
        after: source.after.clone(),
        timeout: source.timeout.clone(),
        gate: source.gate,
    }
}

/// `COMPONENT/<kind>-<namespace|cluster>-<name>.yaml`. Names of RBAC objects
/// may hold colons, which some file systems and tools refuse.
fn file_name(component: &Source, mut value: Value) -> Result<String, String> {
    super::default_namespace(&mut value, &component.namespace, &super::Scopes::new());
    let object = Declared::new(&component.name, value)?;
    let namespace = object.key.namespace.as_deref().unwrap_or("cluster");
    let name = format!("{}-{namespace}-{}", object.key.kind, object.key.name).to_lowercase();
    let safe = name.replace(|symbol: char| !(symbol.is_ascii_alphanumeric() || "-._".contains(symbol)), "_");
    Ok(format!("{}/{safe}.yaml", component.name))
}

fn output(mut command: Command, what: &str) -> Result<Vec<u8>, String> {
    let program = command.get_program().display().to_string();
    let done = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{what}: cannot run {program}: {error}"))?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        return Err(format!("{what} failed ({}): {}", done.status, said.trim()));
    }
    Ok(done.stdout)
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let say = |error: std::io::Error| format!("{}: {error}", from.display());
    fs::create_dir_all(to).map_err(say)?;
    for entry in fs::read_dir(from).map_err(say)? {
        let entry = entry.map_err(say)?;
        let target = to.join(entry.file_name());
        if entry.file_type().map_err(say)?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target).map_err(say)?;
        }
    }
    Ok(())
}

/// Only a bundle, an empty directory or nothing may be replaced.
fn check_target(out: &Path) -> Result<(), String> {
    let mut entries = match fs::read_dir(out) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(format!("{}: {error}", out.display())),
    };
    if out.join(sums::FILE).is_file() && out.join(manifest::FILE).is_file() || entries.next().is_none() {
        return Ok(());
    }
    Err(format!("{} is not a bundle, so it is not replaced; name another directory", out.display()))
}
