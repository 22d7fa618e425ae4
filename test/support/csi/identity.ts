import type { Features } from './features.ts';
import type { Service } from './server.ts';

/** csi.v1.Identity: who the driver is and what kinds of service it has. */
export function identityService(features: Features): Service {
  return {
    GetPluginInfo: async () => ({ name: features.name, vendorVersion: '0.1.0' }),
    Probe: async () => ({ ready: { value: true } }),
    GetPluginCapabilities: async () => ({
      capabilities: [
        { service: { type: 'CONTROLLER_SERVICE' } },
        ...(features.topology ? [{ service: { type: 'VOLUME_ACCESSIBILITY_CONSTRAINTS' } }] : []),
        ...(features.without.has('EXPAND_VOLUME') ? [] : [{ volumeExpansion: { type: 'ONLINE' } }]),
      ],
    }),
  };
}
