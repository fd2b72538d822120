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
      default = [ ];
      example = literalExpression ''
        [ (pkgs.dockerTools.buildLayeredImage { name = "odin.local/trainer"; tag = "3"; }) ]
      '';
      description = ''
        Container images that are preloaded besides K3s' own and the bundle's.
        An image that a pod names and nobody preloaded is pulled, which a
        machine without a network cannot do. Each takes its size twice: in the
        store and in containerd. Base names must differ: of two images called
        `trainer` K3s sees one.
      '';
    };
  };
}
