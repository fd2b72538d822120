# What a developer needs who has Nix.
{ pkgs }:
pkgs.mkShell {
  packages = [
    pkgs.cargo
    pkgs.clippy
    pkgs.deadnix
    pkgs.go
    pkgs.gnumake
    pkgs.kubectl
    pkgs.kubernetes-helm
    pkgs.nixfmt
    pkgs.python3
    pkgs.restic
    pkgs.rust-analyzer
    pkgs.rustc
    pkgs.rustfmt
    pkgs.shellcheck
    pkgs.statix
    pkgs.yq-go
  ];
}
