//! The driver: reading how GPUs are cut, and carrying out single steps.

use std::fs;
use std::path::Path;

use nvml_wrapper::Device;
use nvml_wrapper_sys::bindings::{
    NVML_COMPUTE_INSTANCE_PROFILE_COUNT, NVML_GPU_INSTANCE_PROFILE_1_SLICE_REV1,
    NVML_GPU_INSTANCE_PROFILE_2_SLICE_REV1, NVML_GPU_INSTANCE_PROFILE_COUNT, nvmlGpuInstance_t,
};

use super::Failure;
use super::layout::{Compute, Instance, Kind, Mode, Observed, Seen};
use super::plan::Step;
use crate::nvml::{self, Code, KindInfo, Part, Session, Unavailable};

/// Kinds that newer headers add are asked for too; NVML refuses what it has not.
const KINDS: u32 = NVML_GPU_INSTANCE_PROFILE_COUNT + 16;

/// More GPU instances of a kind than a GPU can have.
const MOST: u32 = 32;

/// The open library, to read and cut GPUs with.
#[derive(Debug)]
pub struct Cutter {
    session: Session,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stepped {
    /// It is done.
    Done,
    /// The mode was taken, and a reset is needed before it is so.
    AwaitsReset,
}

impl Cutter {
    /// Opens the library at `path`, or where the linker finds it.
    ///
    /// # Errors
    /// When there is none that answers.
    pub fn open(path: &Path) -> Result<Self, Unavailable> {
        nvml::open(path).map(|session| Self { session })
    }

    /// Reads every GPU. One that does not tell what has to be known of it is
    /// not seen at all, so that it is not cut, and does not keep others from it.
    ///
    /// # Errors
    /// When the GPUs cannot even be counted.
    pub fn observe(&self) -> Result<Observed, Failure> {
        self.observe_each(&|| {})
    }

    /// As [`Cutter::observe`]; calls `answered` whenever the driver is through
    /// with one.
    ///
    /// # Errors
    /// When the GPUs cannot even be counted.
    pub fn observe_each(&self, answered: &dyn Fn()) -> Result<Observed, Failure> {
        let nvml = self.session.nvml();
        let count = nvml.device_count().map_err(|error| Failure::new("count the GPUs", Code::of(&error)))?;
        let mut observed = Observed::default();
        for index in 0..count {
            answered();
            let device = nvml.device_by_index(index).map_err(|error| Code::of(&error));
            match device.and_then(|device| self.read(&device, index)) {
                Ok(seen) => observed.seen.push(seen),
                Err(code) => observed.unread.push(Failure::new(format!("read how GPU {index} is cut"), code)),
            }
        }
        Ok(observed)
    }

    /// Reads one GPU, wherever it is now.
    pub(super) fn observe_one(&self, uuid: &str) -> Result<Seen, Failure> {
        let device = self.device(uuid)?;
        let read =
            device.index().map_err(|error| Code::of(&error)).and_then(|index| self.read(&device, index));
        read.map_err(Failure::of(format!("read how {uuid} is cut")))
    }

    /// A handle got anew: switching the mode may take the GPU off and on.
    fn device(&self, uuid: &str) -> Result<Device<'_>, Failure> {
        let device = self.session.nvml().device_by_uuid(uuid);
        device.map_err(|error| Failure::new(format!("find {uuid}"), Code::of(&error)))
    }

    fn read(&self, device: &Device<'_>, index: u32) -> nvml::Result<Seen> {
        let text =
            |told: Result<String, nvml_wrapper::error::NvmlError>| told.map_err(|error| Code::of(&error));
        let mut seen = Seen {
            index,
            uuid: text(device.uuid())?,
            model: text(device.name())?,
            mode: mode(device)?,
            kinds: Vec::new(),
            instances: Vec::new(),
            devices: Vec::new(),
            users: users(device),
        };
        if seen.mode.is_none() {
            return Ok(seen);
        }
        let memory_mib = device.memory_info().map_or(0, |memory| memory.total >> 20);
        for number in 0..KINDS {
            match self.session.kind(device, number) {
                Ok(info) => seen.kinds.push(self.kind(device, number, info, memory_mib)?),
                Err(Code::NOT_SUPPORTED | Code::INVALID_ARGUMENT) => {}
                Err(code) => return Err(code),
            }
        }
        if seen.is_on() {
            for kind in &seen.kinds {
                let parts = match self.session.parts(device, kind.id, kind.most) {
                    Err(Code::NOT_SUPPORTED) => Vec::new(),
                    told => told?,
                };
                for part in parts {
                    seen.instances.push(self.instance(&part, kind)?);
                }
            }
            seen.instances.sort();
            let most = device.mig_device_count().unwrap_or_default();
            let devices = (0..most).filter_map(|at| device.mig_device_by_index(at).ok()?.uuid().ok());
            seen.devices = devices.collect();
        }
        Ok(seen)
    }

    fn kind(&self, device: &Device<'_>, number: u32, info: KindInfo, memory_mib: u64) -> nvml::Result<Kind> {
        let (places, size) = match self.session.places(device, info.id) {
            // Not told while the mode is off, or of what cannot be made.
            Err(Code::NOT_SUPPORTED) => (Vec::new(), 0),
            told => told?,
        };
        let name = name(number, &info, memory_mib);
        Ok(Kind {
            name,
            id: info.id,
            slices: info.slices,
            most: info.instances,
            memory_mib: info.memory_mib,
            places,
            size,
        })
    }

    fn instance(&self, part: &Part<'_, nvmlGpuInstance_t>, kind: &Kind) -> nvml::Result<Instance> {
        let (start, size) = self.session.part(part)?;
        let mut compute = Vec::new();
        for (id, _, most) in self.compute_kinds(part)? {
            for found in self.session.compute_parts(part, id, most)? {
                let (start, slices) = self.session.compute_part(&found)?;
                compute.push(Compute { start, slices });
            }
        }
        compute.sort();
        let (profile, profile_id, slices) = (kind.name.clone(), kind.id, kind.slices);
        Ok(Instance { start, size, profile, profile_id, slices, compute })
    }

    /// Kinds of compute instances of a GPU instance: what creation asks for,
    /// slices, and how many there can be.
    fn compute_kinds(&self, part: &Part<'_, nvmlGpuInstance_t>) -> nvml::Result<Vec<(u32, u32, u32)>> {
        let mut kinds = Vec::new();
        for number in 0..NVML_COMPUTE_INSTANCE_PROFILE_COUNT {
            match self.session.compute_kind(part, number) {
                Ok(kind) => kinds.push(kind),
                Err(Code::NOT_SUPPORTED | Code::INVALID_ARGUMENT) => {}
                Err(code) => return Err(code),
            }
        }
        Ok(kinds)
    }

    /// Carries out one step.
    pub(super) fn step(&self, uuid: &str, step: &Step) -> Result<Stepped, Failure> {
        let device = self.device(uuid)?;
        let done = match step {
            Step::Mode { enabled } => match self.session.set_mig_mode(&device, *enabled) {
                Ok(Ok(())) => return Ok(Stepped::Done),
                Ok(Err(Code::IN_USE | Code::RESET_REQUIRED)) => return Ok(Stepped::AwaitsReset),
                Ok(Err(code)) | Err(code) => Err(code),
            },
            Step::Create(instance) => self.create(&device, instance),
            Step::Destroy(instance) => self.destroy(&device, instance),
            // Its places are known only to the plan made after the mode was
            // switched, which has `Create` in its stead.
            Step::CreateSomewhere { .. } => Ok(()),
        };
        done.map_err(Failure::of(step.to_string())).map(|()| Stepped::Done)
    }

    fn create(&self, device: &Device<'_>, instance: &Instance) -> nvml::Result<()> {
        let part = self.session.create_part(device, instance.profile_id, (instance.start, instance.size))?;
        let kinds = self.compute_kinds(&part)?;
        for compute in &instance.compute {
            let kind = kinds.iter().find(|(_, slices, _)| *slices == compute.slices);
            let (id, slices, _) = kind.ok_or(Code::NOT_SUPPORTED)?;
            let place = (*slices != instance.slices).then_some((compute.start, compute.slices));
            self.session.create_compute(&part, *id, place)?;
        }
        Ok(())
    }

    fn destroy(&self, device: &Device<'_>, instance: &Instance) -> nvml::Result<()> {
        for part in self.session.parts(device, instance.profile_id, MOST)? {
            if self.session.part(&part)? != (instance.start, instance.size) {
                continue;
            }
            for (id, _, most) in self.compute_kinds(&part)? {
                for compute in self.session.compute_parts(&part, id, most)? {
                    self.session.destroy_compute(compute)?;
                }
            }
            return self.session.destroy_part(part);
        }
        Err(Code::NOT_FOUND)
    }
}

fn mode(device: &Device<'_>) -> nvml::Result<Option<Mode>> {
    match device.mig_mode() {
        Ok(mode) => Ok(Some(Mode { current: mode.current == 1, pending: mode.pending == 1 })),
        Err(error) => match Code::of(&error) {
            Code::NOT_SUPPORTED | Code::FUNCTION_NOT_FOUND => Ok(None),
            code => Err(code),
        },
    }
}

/// The name of a kind as `nvidia-smi mig -lgip` has it. A library that tells
/// none has only the kinds of its time, which are named by their part of the
/// GPU's memory in eighths (NVIDIA's go-nvlib, pkg/nvlib/device/mig_profile.go),
/// and `+me` for the one with media engines.
fn name(number: u32, info: &KindInfo, memory_mib: u64) -> String {
    if let Some(name) = &info.name {
        return name.strip_prefix("MIG ").unwrap_or(name).to_owned();
    }
    let engines =
        [NVML_GPU_INSTANCE_PROFILE_1_SLICE_REV1, NVML_GPU_INSTANCE_PROFILE_2_SLICE_REV1].contains(&number);
    let engines = if engines { "+me" } else { "" };
    let memory_mib = memory_mib.max(info.memory_mib).max(1);
    let eighths = (info.memory_mib * 8).div_ceil(memory_mib);
    let gigabytes = (eighths * memory_mib.div_ceil(1024) + 4) / 8;
    format!("{}g.{gigabytes}gb{engines}", info.slices)
}

/// What runs on a GPU, in words; that it cannot be told is a reason like any.
fn users(device: &Device<'_>) -> Vec<String> {
    let told = [
        device.running_compute_processes(),
        device.running_graphics_processes(),
        device.mps_running_compute_processes(),
    ];
    let mut users = Vec::new();
    for processes in told {
        match processes {
            Ok(processes) => users.extend(processes.iter().map(|process| {
                let pid = process.pid;
                let program = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
                match program.trim_end() {
                    "" => format!("process {pid}"),
                    program => format!("process {pid} ({program})"),
                }
            })),
            Err(error) => match Code::of(&error) {
                // It has no such processes, or the library does not know them.
                Code::NOT_SUPPORTED | Code::FUNCTION_NOT_FOUND => {}
                code => users.push(format!("its processes cannot be told: {code}")),
            },
        }
    }
    users.sort();
    users.dedup();
    users
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_the_names_of_nvidia() {
        let info = |slices, memory_mib, name: Option<&str>| KindInfo {
            id: 19,
            slices,
            instances: 7,
            memory_mib,
            name: name.map(str::to_owned),
        };
        assert_eq!(name(0, &info(1, 9984, Some("MIG 1g.10gb")), 81559), "1g.10gb");
        // Sizes of an A100 with 80 GB, and of one with 40 GB.
        assert_eq!(name(0, &info(1, 9728, None), 81920), "1g.10gb");
        assert_eq!(name(7, &info(1, 9728, None), 81920), "1g.10gb+me");
        assert_eq!(name(2, &info(3, 40192, None), 81920), "3g.40gb");
        assert_eq!(name(4, &info(7, 80384, None), 81920), "7g.80gb");
        assert_eq!(name(0, &info(1, 4864, None), 40960), "1g.5gb");
    }
}
