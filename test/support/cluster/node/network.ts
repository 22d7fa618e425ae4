/** Addresses inside a cluster's own network namespaces. Every cluster has the same: nobody outside can see them. */

export const serviceNetwork = '10.96.0.0/16';
/** The `kubernetes` Service: the first address of the above. */
export const kubernetesAddress = '10.96.0.1';

export const machineName = (index: number): string => `node-${index}`;
export const addressOf = (index: number): string => `10.89.0.${index}`;
export const podNetworkOf = (index: number): string => `10.88.${index}.0/24`;
/** Of the bridge that a machine's pods are on. */
export const podGatewayOf = (index: number): string => `10.88.${index}.1`;
