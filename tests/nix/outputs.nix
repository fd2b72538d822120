# Every derivation of the flake that is no system, as packages of a machine, so
# that the checker evaluates each with its arguments.
{ lib, pkgs, ... }:
let
  parts = import ../../nixos/packages { inherit pkgs; };
  self = {
    outPath = ../../.;
    nixosConfigurations = { };
  };
in
{
  environment.systemPackages = [
    parts.odin
    (import ../../nixos/shell.nix { inherit pkgs; })
    (import ../../nixos/packages/flash.nix {
      inherit pkgs;
      inherit (parts) odin;
      image = pkgs.hello // {
        passthru.filePath = "odin.img";
      };
    })
  ]
  ++ lib.attrValues parts.bundles
  ++ lib.attrValues parts.images
  ++ lib.attrValues (import ../../nixos/checks.nix { inherit pkgs self; });
}
