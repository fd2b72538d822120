"""Lab machines: real systemd, real Kubernetes, real pods, without Nix or a VM.

- `machine`, `shell`: a machine and its verbs; `fixtures` hands them to tests.
- `cluster`, `apiserver`: Kubernetes on a machine, and the API alone on the host.
- `rootfs`, `tools`, `images`, `oci`: what is built once and cached.
- `nspawn`, `layout`, `network`, `cgroups`: how a machine is started.
- `registry`, `process`: what runs, and how exactly that is ended again.
- `setup`, `cli`: the host's packages, and the commands of the Makefile.
"""
