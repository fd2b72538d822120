# What this repository builds, from one package set.
{ pkgs }:
let
  inherit (pkgs) lib;

  # Tests of the lab and documentation do not rebuild the program, but for the
  # runbooks, which are in it.
  source =
    paths:
    lib.fileset.toSource {
      root = ../..;
      fileset = lib.fileset.unions paths;
    };

  odin = import ./odin.nix {
    inherit pkgs;
    src = source [
      ../../Cargo.toml
      ../../Cargo.lock
      ../../clippy.toml
      ../../rustfmt.toml
      ../../crates
      ../../docs/runbooks
    ];
  };
  images = import ../images/containers.nix { inherit pkgs; };

  bundleOf =
    {
      overlay,
      optional ? [ ],
    }:
    import ./bundle.nix {
      inherit
        pkgs
        odin
        overlay
        optional
        ;
      versions = lib.mapAttrs (_: image: image.imageTag) (
        lib.filterAttrs (_: image: image.versioned) images
      );
      manifests = source [ ../../manifests ] + "/manifests";
    };
in
{
  inherit odin images bundleOf;

  bundles = lib.genAttrs [ "dev" "lab" "prod" ] (overlay: bundleOf { inherit overlay; });
}
