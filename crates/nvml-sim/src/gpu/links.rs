//! The bus to the host and the links between GPUs.

use super::Gpu;
use crate::fault::Kind;
use crate::profile::{Architecture, Form, Nvlink};
use crate::refusal::{Answer, Refusal};
use crate::round::{whole, whole32};

/// Part of the bus that full load uses.
const PCIE_PART: f64 = 0.25;
/// Part of the links that full load uses.
const NVLINK_PART: f64 = 0.4;

impl Gpu<'_> {
    /// Generation and width the link trained at.
    #[must_use]
    pub fn pcie(&self) -> (u32, u32) {
        let pcie = &self.card.profile.pcie;
        // Cards that rest lower the generation, modules on a baseboard do not.
        let rests = self.card.profile.form == Form::Passive && self.performance_state() != 0;
        let mut link = (if rests { 1 } else { pcie.generation }, pcie.width);
        for kind in self.faults() {
            if let Kind::PcieDowntrained { generation, width } = kind {
                link.0 = link.0.min(generation.unwrap_or(pcie.generation));
                link.1 = link.1.min(width.unwrap_or(if generation.is_some() {
                    pcie.width
                } else {
                    pcie.width / 2
                }));
            }
        }
        link
    }

    /// Speed of one lane in Mbps, before line coding.
    #[must_use]
    pub fn lane_speed(generation: u32) -> u32 {
        match generation {
            0 | 1 => 2500,
            2 => 5000,
            3 => 8000,
            4 => 16000,
            5 => 32000,
            _ => 64000,
        }
    }

    /// Bytes a second that full load moves over a link to the host.
    fn pcie_rate(generation: u32, width: u32) -> f64 {
        let coded = if generation >= 3 { 128.0 / 130.0 } else { 0.8 };
        f64::from(Self::lane_speed(generation)) * f64::from(width) * coded / 8.0 * 1e6 * PCIE_PART
    }

    /// The same at what the link can, so that no counter falls when it trains
    /// at less.
    pub(super) fn pcie_full_rate(&self) -> f64 {
        Self::pcie_rate(self.card.profile.pcie.generation, self.card.profile.pcie.width)
    }

    /// Bytes a second that full load moves over one link between GPUs.
    pub(super) fn link_full_rate(&self) -> Answer<f64> {
        Ok(f64::from(self.nvlink()?.megabytes_per_second) * 1e6 * NVLINK_PART)
    }

    /// Bytes a second to or from the host.
    ///
    /// # Errors
    /// This is a MIG device.
    pub fn pcie_throughput(&self, transmit: bool) -> Answer<f64> {
        self.whole()?;
        let (generation, width) = self.pcie();
        Ok(Self::pcie_rate(generation, width) * self.load() / 100.0 * if transmit { 0.4 } else { 1.0 })
    }

    /// Bytes to or from the host since time zero.
    ///
    /// # Errors
    /// This is a MIG device.
    pub fn pcie_bytes(&self, transmit: bool) -> Answer<u64> {
        self.whole()?;
        let rate = self.pcie_full_rate();
        Ok(whole(rate * self.card.worked(self.now()) / 100.0 * if transmit { 0.4 } else { 1.0 }))
    }

    /// Replays on the link to the host.
    #[must_use]
    pub fn pcie_replays(&self) -> u64 {
        let counts = self.history().map(|(kind, lasted)| match kind {
            Kind::PcieReplays { rate } => whole((rate * lasted).floor()),
            _ => 0,
        });
        counts.sum()
    }

    /// The links, where the board has any.
    ///
    /// # Errors
    /// It has none, or this is a MIG device.
    pub fn nvlink(&self) -> Answer<&'static Nvlink> {
        self.whole()?;
        self.card.profile.nvlink.as_ref().ok_or(Refusal::NotSupported)
    }

    /// The links, when one of that number is among them.
    ///
    /// # Errors
    /// It is not.
    pub fn link(&self, link: u32) -> Answer<&'static Nvlink> {
        let nvlink = self.nvlink()?;
        if link < nvlink.links { Ok(nvlink) } else { Err(Refusal::InvalidArgument) }
    }

    /// Whether a link is up.
    ///
    /// # Errors
    /// There is no such link.
    pub fn link_up(&self, link: u32) -> Answer<bool> {
        self.link(link)?;
        let down = |kind: &Kind| matches!(kind, Kind::NvlinkDown { link: which } if which.is_none_or(|which| which == link));
        Ok(!self.faults().any(down))
    }

    /// Errors of one link, of each of its counters.
    ///
    /// # Errors
    /// There is no such link.
    pub fn link_errors(&self, link: u32) -> Answer<u64> {
        self.link(link)?;
        let counts = self.history().map(|(kind, lasted)| match kind {
            Kind::NvlinkErrors { link: which, rate } if which.is_none_or(|which| which == link) => {
                whole((rate * lasted).floor())
            }
            _ => 0,
        });
        Ok(counts.sum())
    }

    /// Bytes over one link since time zero, one way.
    ///
    /// # Errors
    /// There is no such link.
    pub fn link_bytes(&self, link: u32) -> Answer<u64> {
        self.link(link)?;
        let rate = self.link_full_rate()?;
        Ok(whole(rate * self.card.worked(self.now()) / 100.0))
    }

    /// The sum over links, or one link's, as a field's scope says.
    ///
    /// # Errors
    /// There is no such link.
    pub fn over_links(&self, scope: u32, of: impl Fn(u32) -> Answer<u64>) -> Answer<u64> {
        if scope != u32::MAX {
            return of(scope);
        }
        (0..self.nvlink()?.links).map(of).sum()
    }

    /// The NVSwitch at the other end of a link: its bus number.
    ///
    /// # Errors
    /// There is no such link.
    pub fn switch(&self, link: u32) -> Answer<u32> {
        self.link(link)?;
        // Six switches on an A100 baseboard, four on Hopper's, two on Blackwell's.
        let switches = match self.card.profile.architecture {
            Architecture::Blackwell => 2,
            Architecture::Hopper => 4,
            _ => 6,
        };
        Ok(0xC5 + link % switches)
    }

    /// Speed of a link that is up, in MB/s one way.
    ///
    /// # Errors
    /// There is no such link.
    pub fn link_speed(&self, link: u32) -> Answer<u32> {
        let nvlink = self.link(link)?;
        Ok(if self.link_up(link)? { nvlink.megabytes_per_second } else { 0 })
    }

    /// Kilobytes a second to or from the host, as NVML counts them.
    ///
    /// # Errors
    /// This is a MIG device, or there is no such counter.
    pub fn pcie_kilobytes(&self, counter: u32) -> Answer<u32> {
        match counter {
            0 | 1 => Ok(whole32(self.pcie_throughput(counter == 0)? / 1000.0)),
            _ => Err(Refusal::InvalidArgument),
        }
    }

    /// Whether the board is part of an NVLink fabric with a fabric manager.
    #[must_use]
    pub fn fabric(&self) -> bool {
        self.card.profile.form == Form::Sxm && self.card.profile.architecture >= Architecture::Hopper
    }
}
