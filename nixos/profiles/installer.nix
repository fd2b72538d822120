# The medium that installs: `odin install` and the image it writes, nothing that
# an appliance runs.
{
  lib,
  pkgs,
  ...
}:
let
  packages = import ../packages { inherit pkgs; };
in
{
  environment.systemPackages = [ packages.odin ];

  # Unattended when a seed is there (a partition or stick labelled ODIN-SEED with
  # site.toml and, if wished, install.toml): otherwise a person types
  # `odin install plan`.
  systemd.services.odin-install = {
    description = "ODIN unattended installation";
    wantedBy = [ "multi-user.target" ];
    after = [ "multi-user.target" ];
    # lsblk, wipefs and mount.
    path = [ pkgs.util-linux ];
    unitConfig.ConditionPathExists = "/dev/disk/by-label/ODIN-SEED";
    serviceConfig = {
      Type = "oneshot";
      ExecStart = "${lib.getExe packages.odin} install apply --image /iso/odin/odin.img --seed /dev/disk/by-label/ODIN-SEED";
      StandardOutput = "journal+console";
      StandardError = "journal+console";
    };
  };

  documentation.enable = lib.mkDefault false;
  hardware.enableRedistributableFirmware = true;
  system.stateVersion = lib.mkDefault "26.05";
}
