{{- /* A pod that runs one command of the hooks program. Takes root, account, command and flags. */ -}}
{{- define "clonegate.hookPodSpec" -}}
{{- $root := .root -}}
serviceAccountName: {{ .account }}
restartPolicy: Never
enableServiceLinks: false
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- include "clonegate.podSecurityContext" $root | nindent 2 }}
nodeSelector:
  {{- toYaml (merge (dict) $root.Values.controller.nodeSelector (dict "kubernetes.io/os" "linux")) | nindent 2 }}
{{- with $root.Values.controller.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
containers:
  - name: {{ .command }}
    image: {{ include "clonegate.image" $root }}
    imagePullPolicy: {{ $root.Values.image.pullPolicy }}
    command: [/nodejs/bin/node, /app/hooks.mjs, {{ .command }}]
    args:
      {{- include "clonegate.flags" .flags | trim | nindent 6 }}
    env:
      - name: POD_NAME
        valueFrom:
          fieldRef:
            fieldPath: metadata.name
    resources:
      requests: {cpu: 50m, memory: 128Mi}
      limits: {memory: 512Mi}
    securityContext:
      {{- include "clonegate.securityContext" $root | nindent 6 }}
{{- end -}}

{{- /* Of an object of a hook that goes when all went well; what failed stays to be looked at. Takes when and weight. */ -}}
{{- define "clonegate.hookAnnotations" -}}
helm.sh/hook: {{ .when }}
helm.sh/hook-weight: {{ .weight | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}
