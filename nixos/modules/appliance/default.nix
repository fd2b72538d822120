# The base of the system: a headless server that holds what it needs.
{
  config,
  lib,
  ...
}:
let
  cfg = config.odin;
in
{
  imports = [
    ./options.nix
    ./tools.nix
  ];

  config = lib.mkIf cfg.enable {
    environment.systemPackages = [ cfg.package ];

    # Keys, name and first password of this host; the unit ships with the package.
    systemd.services.odin-host = {
      wantedBy = [ "multi-user.target" ];
      restartTriggers = [ config.environment.etc."odin/odin.toml".source ];
    };

    # A headless appliance reads no manuals, and they are a tenth of its closure.
    documentation.enable = lib.mkDefault false;

    # Microcode and NIC firmware: without them a server may not see its disks.
    hardware.enableRedistributableFirmware = lib.mkDefault true;
    hardware.cpu.intel.updateMicrocode = lib.mkDefault true;
    hardware.cpu.amd.updateMicrocode = lib.mkDefault true;

    boot.loader = {
      systemd-boot.enable = lib.mkDefault true;
      # The image is written to disks of machines it has never seen; firmware
      # finds it under the removable path.
      efi.canTouchEfiVariables = lib.mkDefault false;
    };

    # Everything a server boots from; the image is built on another machine, so
    # nothing can be detected.
    boot.initrd.availableKernelModules = [
      "ahci"
      "megaraid_sas"
      "mpt3sas"
      "nvme"
      "sd_mod"
      "usb_storage"
      "usbhid"
      "virtio_blk"
      "virtio_pci"
      "virtio_scsi"
      "xhci_pci"
    ];

    # The state of containers and of the datastore was made by this release; a
    # later one must know.
    system.stateVersion = lib.mkDefault "26.05";
  };
}
