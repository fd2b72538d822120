//! Who is in the way of cutting a GPU.
//!
//! What comes of cutting, with a fault or a kill at every call, is looked at
//! where a person sees it: tests/gpu/test_mig.py.

use odin_gpu::mig::{Cutter, Holders, Seen, holders};

use crate::kubelet::{Answer, Kubelet};
use crate::support::in_child;

const CUT: &str = "[[gpu]]\nprofile = \"h100\"\nmig = [\"3g.40gb\"]\nprocess = [{ pid = 4194305 }]\n\
                   [[gpu]]\nprofile = \"a100\"\n";

#[test]
fn pods_hold_gpus_by_every_name_a_plugin_gives() {
    in_child("mig::pods_hold_gpus_by_every_name_a_plugin_gives", CUT, |machine| {
        let cutter = Cutter::open(&nvml_sim::library().expect("the library")).expect("open");
        let seen = cutter.observe().expect("read").seen;
        let kubelet = Kubelet::absent(&machine.directory);
        let asked = kubelet.asks(holders(&kubelet.socket));
        assert!(matches!(asked, Holders::Absent(_)), "{asked:?}");
        kubelet.comes();
        let cases: [(&str, Vec<usize>); 7] = [
            (&seen[0].uuid, vec![0]),
            (&seen[0].devices[0], vec![0]),
            (&format!("{}::3", seen[1].uuid), vec![1]),
            ("1", vec![1]),
            ("0:2", vec![0]),
            ("nvidia1", vec![1]),
            ("GPU-of-another-machine", vec![]),
        ];
        for (device, wanted) in cases {
            kubelet.says(Answer::Devices(vec![("train-0", "nvidia.com/gpu", vec![device.to_owned()])]));
            let Holders::Told(told) = kubelet.asks(holders(&kubelet.socket)) else { panic!("told") };
            let [holder] = told.as_slice() else { panic!("{told:?}") };
            assert!(holder.to_string().contains("train-0 has "), "{holder}");
            let held: Vec<usize> = (0..seen.len()).filter(|at| holder.has(&seen[*at])).collect();
            assert_eq!(held, wanted, "{device}");
        }
        for answer in [Answer::OtherShape, Answer::Refusal(tonic::Code::Unavailable), Answer::Text("hello")] {
            kubelet.says(answer);
            let asked = kubelet.asks(holders(&kubelet.socket));
            assert!(matches!(asked, Holders::Unknown(_)), "nobody is not to be taken for none: {asked:?}");
        }
    });
}

#[test]
fn what_a_gpu_has_and_can_have_is_read() {
    in_child("mig::what_a_gpu_has_and_can_have_is_read", CUT, |_| {
        let cutter = Cutter::open(&nvml_sim::library().expect("the library")).expect("open");
        let seen = cutter.observe().expect("read").seen;
        let words: Vec<String> = seen.iter().map(|seen: &Seen| seen.layout().to_string()).collect();
        assert_eq!(words, ["1 x 3g.40gb", "MIG off"]);
        assert_eq!(seen[0].users, ["process 4194305"]);
        let kind = seen[0].kinds.iter().find(|kind| kind.name == "3g.40gb").expect("a kind");
        assert_eq!((kind.id, kind.slices, kind.most, kind.size), (9, 3, 2, 4));
        assert_eq!(kind.places, [0, 4]);
        assert!(seen[1].kinds.iter().all(|kind| kind.places.is_empty()), "not told while the mode is off");
        assert_eq!(seen[1].kinds.len(), 7);
    });
}
