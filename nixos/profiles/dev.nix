# A virtual machine without a GPU, for trying things: `nix run .#vm`.
{ lib, ... }:
{
  odin = {
    enable = true;
    overlay = "dev";
    gpu.enable = false;
    storage = {
      diskHealth = false;
      rootSize = 24576;
    };
    # Its host has a clock, and nothing to be reset by.
    upgrade.watchdog = null;
    cluster.reserved = {
      system = {
        cpu = "200m";
        memory = "512Mi";
      };
      kubernetes = {
        cpu = "200m";
        memory = "512Mi";
      };
    };
    access.user = "dev";
  };

  virtualisation.vmVariant = {
    virtualisation = {
      memorySize = 6144;
      cores = 2;
      diskSize = 24576;
      graphics = false;
    };
    # Its disk has no partition table to add a partition to.
    boot.initrd.systemd.repart.enable = lib.mkForce false;
    # Only in the VM, which nobody but its owner reaches: a console to log in at.
    services.getty.autologinUser = "dev";
  };
}
