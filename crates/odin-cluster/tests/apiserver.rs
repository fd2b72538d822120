//! The engine against a real kube-apiserver.
//!
//! Run by `python3 -m odin_lab.apiserver -- cargo test -p odin-cluster
//! --features apiserver`, which sets ODIN_TEST_KUBECONFIG. There are no nodes:
//! workloads are created and never run; what runs is tested on a lab machine.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, missing_docs)]

mod apiserver {
    mod alone;
    mod apply;
    mod drift;
    mod faults;
    mod fixture;
    mod gate;
    mod kill;
    mod lease;
    mod probe;
    mod proxy;
    mod remedy;
    mod scale;
    mod secret;
}
