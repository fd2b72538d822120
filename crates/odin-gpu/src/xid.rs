//! What XIDs mean and what to do about them.
//!
//! Meanings and actions follow NVIDIA's "XID Errors" (docs.nvidia.com/deploy/xid-errors,
//! the catalogue and its "immediate action" column), in our words.

/// Who is at fault, and how bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// The program on the GPU; the GPU is well.
    Application,
    /// The GPU must be reset before it can be trusted.
    Reset,
    /// The hardware, its link or its power.
    Hardware,
    /// Something that was repaired, to be watched.
    Notice,
}

/// One XID.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Xid {
    pub(crate) number: u64,
    pub(crate) class: Class,
    pub(crate) meaning: &'static str,
    pub(crate) action: &'static str,
}

const fn xid(number: u64, class: Class, meaning: &'static str, action: &'static str) -> Xid {
    Xid { number, class, meaning, action }
}

const PROGRAM: &str = "look at the program that ran; restart it";
const RESET: &str = "drain the GPU and reset it";
const REPLACE: &str = "drain the node and have the GPU checked; replace it when it comes again";

pub(crate) const XIDS: &[Xid] = &[
    xid(13, Class::Application, "a program made the graphics engine fail", PROGRAM),
    xid(31, Class::Application, "a program touched memory it does not have", PROGRAM),
    xid(32, Class::Reset, "a push buffer was invalid or corrupted on PCIe", RESET),
    xid(38, Class::Reset, "the driver's firmware failed", RESET),
    xid(43, Class::Application, "a program's channel was stopped after its own fault", PROGRAM),
    xid(45, Class::Application, "a program was ended and its work removed", PROGRAM),
    xid(
        48,
        Class::Reset,
        "memory has an uncorrectable error",
        "drain the GPU and reset it; look at the row remapping after",
    ),
    xid(61, Class::Reset, "the internal microcontroller stopped", RESET),
    xid(62, Class::Reset, "the internal microcontroller failed", RESET),
    xid(
        63,
        Class::Notice,
        "a memory page or row is replaced at the next reset",
        "reset the GPU when it is idle",
    ),
    xid(64, Class::Hardware, "replacing a memory page or row failed", REPLACE),
    xid(68, Class::Application, "the video processor failed", PROGRAM),
    xid(69, Class::Application, "a program made the graphics engine fail in its class", PROGRAM),
    xid(
        74,
        Class::Hardware,
        "an NVLink failed",
        "drain and reset the GPUs at both ends; check the bridge or switch",
    ),
    xid(
        79,
        Class::Hardware,
        "the GPU fell off the bus",
        "drain and power-cycle the node; check seating, power and the riser",
    ),
    xid(92, Class::Notice, "single bit errors come often", "watch the ECC counters"),
    xid(
        94,
        Class::Application,
        "an uncorrectable error was contained to one program",
        "restart the program; reset the GPU when it is idle",
    ),
    xid(95, Class::Reset, "an uncorrectable error was not contained", RESET),
    xid(109, Class::Application, "a context switch took too long", PROGRAM),
    xid(119, Class::Reset, "the GSP firmware does not answer", RESET),
    xid(120, Class::Reset, "the GSP firmware failed", RESET),
    xid(121, Class::Notice, "the chip-to-chip link had a corrected error", "watch it"),
    xid(140, Class::Reset, "ECC errors were not recovered", RESET),
    xid(143, Class::Reset, "the GPU did not initialise", RESET),
    xid(
        145,
        Class::Hardware,
        "NVLink: receiver or lane failed",
        "reset the GPUs at both ends; check the cable or board",
    ),
    xid(154, Class::Notice, "the recovery action changed", "look at odin_gpu_recovery_action"),
];

/// What is known of an XID.
pub(crate) fn look_up(number: u64) -> Option<&'static Xid> {
    XIDS.iter().find(|xid| xid.number == number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_xid_is_there_once_and_says_what_to_do() {
        for (at, xid) in XIDS.iter().enumerate() {
            assert!(XIDS.iter().skip(at + 1).all(|other| other.number > xid.number), "{}", xid.number);
            assert!(!xid.meaning.is_empty() && !xid.action.is_empty());
        }
        assert_eq!(look_up(79).map(|xid| xid.class), Some(Class::Hardware));
        assert!(look_up(7).is_none());
    }
}
