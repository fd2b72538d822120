# What the whole appliance is made of.
{ lib, pkgs, ... }:
let
  inherit (lib) literalExpression mkOption types;
  odin = import ../../packages { inherit pkgs; };
in
{
  options.odin = {
    enable = mkOption {
      type = types.bool;
      default = false;
      example = true;
      description = ''
        Makes this machine an ODIN appliance. Alone it gives one server with
        K3s, an NVIDIA driver, the monitoring stack, the supervisor and daily
        backups to its own disk; every other option refines that.
      '';
    };

    package = mkOption {
      type = types.package;
      default = odin.odin;
      defaultText = literalExpression "odin, built from this repository";
      example = literalExpression "pkgs.callPackage ./odin.nix { }";
      description = ''
        The program `odin` and its units. The build of the system runs its
        `odin config check`, so a declaration it cannot read fails there.
      '';
    };

    images = mkOption {
      type = types.listOf types.package;
      default = lib.attrValues odin.images;
      defaultText = literalExpression "every image of the bundle, built from nixpkgs";
      example = literalExpression "[ (pkgs.dockerTools.buildLayeredImage { name = \"example\"; }) ]";
      description = ''
        Container images that are preloaded besides K3s' own. An image that the
        bundle names and that is not among them is pulled, which an appliance
        without a network cannot do. Each takes its size twice: in the store
        and in containerd.
      '';
    };
  };
}
