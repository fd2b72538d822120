# The compatibility matrix, applied to what is declared.
{ config, lib, ... }:
let
  cfg = config.odin.gpu;
  data = import ./compatibility.nix;
  branch = data.branches.${cfg.branch};
  series = data.series.${branch.series};
  driver = "odin.gpu.branch = ${cfg.branch} (driver ${branch.series})";
  kernel = lib.versions.majorMinor config.boot.kernelPackages.kernel.version;

  forFamily =
    name:
    let
      family = data.families.${name};
    in
    [
      {
        assertion = lib.elem name series.families;
        message = "odin.gpu.families: ${name} and ${driver} do not go together; branches that know it: ${knowing name}";
      }
      {
        assertion = if cfg.openModule then family.open else family.closed;
        message = "odin.gpu.openModule = ${lib.boolToString cfg.openModule} and ${name} (odin.gpu.families) do not go together; set it to ${
          lib.boolToString (!cfg.openModule)
        }";
      }
      {
        assertion = cfg.cuda == null || family.cuda == null || lib.versionAtLeast family.cuda cfg.cuda;
        message = "odin.gpu.cuda = ${toString cfg.cuda} and ${name} (odin.gpu.families) do not go together; CUDA ${toString family.cuda} is the last for it";
      }
    ];

  knowing =
    name:
    lib.concatStringsSep ", " (
      lib.attrNames (
        lib.filterAttrs (_: entry: lib.elem name data.series.${entry.series}.families) data.branches
      )
    );
in
{
  config = lib.mkIf (config.odin.enable && cfg.enable) {
    assertions = lib.concatMap forFamily cfg.families ++ [
      {
        assertion = cfg.cuda == null || lib.versionAtLeast series.cuda cfg.cuda;
        message = "odin.gpu.cuda = ${toString cfg.cuda} and ${driver} do not go together; it runs CUDA ${series.cuda} and older";
      }
      {
        assertion = lib.elem kernel series.kernels;
        message = "boot.kernelPackages: kernel ${kernel} and ${driver} do not go together; it is known to build for ${lib.concatStringsSep ", " series.kernels}";
      }
      {
        assertion = cfg.fabricManager -> cfg.branch == "datacenter";
        message = "odin.gpu.fabricManager = true needs odin.gpu.branch = datacenter, which is ${cfg.branch}: only that build carries the fabric manager";
      }
    ];
  };
}
