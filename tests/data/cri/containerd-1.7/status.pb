
›

RuntimeReady
_
NetworkReadyNetworkPluginNotReady"8Network plugin returns error: cni plugin not initialized
&
"ContainerdHasNoDeprecationWarnings