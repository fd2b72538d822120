"""Lab machines: real systemd, real Kubernetes, real pods, without Nix or a VM."""
