//! Who a device is: what does not change while it is there.

use nvml_wrapper::Device;
use nvml_wrapper::enum_wrappers::device::InfoRom;

use crate::nvml::{Code, Result};

/// Identity of one GPU.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Identity {
    /// Index NVML gives it.
    pub index: u32,
    /// Its UUID, for example `GPU-8f3e...`.
    pub uuid: String,
    /// Model, for example `NVIDIA H100 80GB HBM3`.
    pub name: String,
    /// PCI address, for example `00000000:3B:00.0`.
    pub pci_bus_id: String,
    /// Number N of `/dev/nvidiaN`.
    pub minor: Option<u32>,
    /// Serial number of the board.
    pub serial: String,
    /// Part number of the board.
    pub part_number: String,
    /// Brand.
    pub brand: String,
    /// Version of the VBIOS.
    pub vbios: String,
    /// Version of the inforom image.
    pub inforom_image: String,
    /// Version of the inforom's OEM object.
    pub inforom_oem: String,
    /// Version of the inforom's ECC object.
    pub inforom_ecc: String,
    /// Version of the inforom's power object.
    pub inforom_power: String,
    /// Version of the GSP firmware.
    pub gsp_firmware: String,
}

impl Identity {
    /// Asks the device; what it does not tell is empty, but it must tell its
    /// UUID.
    pub(crate) fn of(index: u32, device: &Device<'_>) -> Result<Self> {
        let text = |result: std::result::Result<String, _>| result.unwrap_or_default();
        Ok(Self {
            index,
            uuid: device.uuid().map_err(|error| Code::of(&error))?,
            name: text(device.name()),
            pci_bus_id: device.pci_info().map(|pci| pci.bus_id).unwrap_or_default(),
            minor: device.minor_number().ok(),
            serial: text(device.serial()),
            part_number: text(device.board_part_number()),
            brand: device.brand().map(|brand| format!("{brand:?}")).unwrap_or_default(),
            vbios: text(device.vbios_version()),
            inforom_image: text(device.info_rom_image_version()),
            inforom_oem: text(device.info_rom_version(InfoRom::OEM)),
            inforom_ecc: text(device.info_rom_version(InfoRom::ECC)),
            inforom_power: text(device.info_rom_version(InfoRom::Power)),
            gsp_firmware: text(device.gsp_firmware_version()),
        })
    }
}
