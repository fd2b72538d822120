# What the kernel writes down.
{ config, lib, ... }:
let
  cfg = config.odin.hardening;
  watch = path: key: "-w ${path} -p wa -k ${key}";
in
{
  config = lib.mkIf (config.odin.enable && cfg.enable && cfg.audit) {
    security.auditd = {
      enable = true;
      settings = {
        max_log_file = 64;
        num_logs = 8;
        max_log_file_action = "rotate";
        # A full disk must not stop a server that has nothing wrong but its log.
        space_left_action = "syslog";
        admin_space_left_action = "syslog";
        disk_full_action = "suspend";
      };
    };

    security.audit = {
      enable = true;
      backlogLimit = 8192;
      failureMode = "printk";
      rules = [
        # The node exporter reads the clock's state by the call that sets it, every
        # few seconds, as a user who may not set it.
        "-a never,exit -F arch=b64 -S adjtimex,clock_adjtime -F uid=65534"
        "-a always,exit -F arch=b64 -S adjtimex,clock_adjtime,settimeofday,clock_settime -k time"
        "-a always,exit -F arch=b64 -S init_module,finit_module,delete_module -k modules"
        "-a always,exit -F arch=b64 -S mount,umount2 -F auid>=1000 -F auid!=unset -k mounts"
        "-a always,exit -F arch=b64 -S execve -C uid!=euid -F euid=0 -k privilege"
        (watch "/etc/passwd" "identity")
        (watch "/etc/group" "identity")
        (watch "/etc/shadow" "identity")
        # Only what is there this early: one path that is missing, and none of
        # the rules is loaded.
        (watch "/nix/var/nix/profiles" "generations")
      ];
    };
  };
}
