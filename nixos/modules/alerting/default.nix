# Who is told of alerts, and what is done about them: keys of `odin.toml`.
{ config, lib, ... }:
let
  cfg = config.odin.alerting;
  # TOML has no null: what is not declared is left out.
  present = lib.filterAttrs (_: value: value != null);
  receiver =
    declared:
    present {
      inherit (declared) name;
      email =
        if declared.email == null then
          null
        else
          present {
            inherit (declared.email)
              to
              from
              smarthost
              username
              ;
            password-file = declared.email.passwordFile;
            require-tls = declared.email.requireTls;
          };
      slack =
        if declared.slack == null then
          null
        else
          {
            inherit (declared.slack) channel;
            url-file = declared.slack.urlFile;
          };
      pagerduty =
        if declared.pagerduty == null then
          null
        else
          { routing-key-file = declared.pagerduty.routingKeyFile; };
      webhook =
        if declared.webhook == null then
          null
        else
          present {
            inherit (declared.webhook) url;
            url-file = declared.webhook.urlFile;
            bearer-token-file = declared.webhook.bearerTokenFile;
          };
    };
  names = [ "null" ] ++ map (declared: declared.name) cfg.receivers;
  named = lib.filter (name: name != null) (
    map (route: route.receiver) cfg.routes
    ++ [
      cfg.receiver
      cfg.deadMan.receiver
    ]
  );
in
{
  imports = [
    ./options.nix
    ./receiver-options.nix
    ./remediation-options.nix
  ];

  config = lib.mkIf config.odin.enable {
    assertions =
      map (name: {
        assertion = lib.elem name names;
        message = "odin.alerting.receivers has no ${builtins.toJSON name}, which a route, odin.alerting.receiver or odin.alerting.deadMan.receiver names";
      }) named
      ++ map (declared: {
        assertion =
          declared.webhook == null || (declared.webhook.url == null) != (declared.webhook.urlFile == null);
        message = "odin.alerting.receivers: the webhook of ${builtins.toJSON declared.name} needs exactly one of url and urlFile";
      }) cfg.receivers;

    odin.settings.alerting = lib.mkIf cfg.enable (
      present {
        inherit (cfg) receiver;
        dead-man = cfg.deadMan.receiver;
        dead-man-interval = cfg.deadMan.interval;
        group-wait = cfg.groupWait;
        group-interval = cfg.groupInterval;
        repeat-interval = cfg.repeatInterval;
      }
      // lib.optionalAttrs (cfg.receivers != [ ]) { receivers = map receiver cfg.receivers; }
      // lib.optionalAttrs (cfg.routes != [ ]) { routes = map present cfg.routes; }
      // {
        self-test = present { inherit (cfg.selfTest) schedule; };
        remediation = present {
          inherit (cfg.remediation)
            actions
            after
            namespaces
            units
            window
            ;
          dry-run = cfg.remediation.dryRun;
          cool-down = cfg.remediation.coolDown;
          maximum-an-hour = cfg.remediation.maximumAnHour;
          verify-within = cfg.remediation.verifyWithin;
          journal-size = cfg.remediation.journalSize;
        };
      }
    );
  };
}
