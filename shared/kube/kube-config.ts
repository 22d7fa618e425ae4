/** The one class of client-node that is used, so that a bundler can leave out the other 15 MB of it. */
export { KubeConfig } from '@kubernetes/client-node';
