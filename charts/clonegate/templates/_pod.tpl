{{- /* Everything of a Deployment that both programs share. Takes root, component, args, ports, mounts and volumes. */ -}}
{{- define "clonegate.deployment" -}}
{{- $root := .root -}}
{{- $pod := index $root.Values .component -}}
{{- $about := dict "root" $root "component" .component -}}
{{- $selector := include "clonegate.selector" $about -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "clonegate.metadata" (merge (dict "name" (printf "clonegate-%s" .component) "annotations" $pod.annotations) $about) | nindent 2 }}
spec:
  replicas: {{ $pod.replicas }}
  selector:
    matchLabels:
      {{- $selector | nindent 6 }}
  strategy:
    type: RollingUpdate
    rollingUpdate:
      {{- toYaml $pod.rollingUpdate | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "clonegate.labels" $about | nindent 8 }}
        {{- with $pod.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      annotations:
        kubectl.kubernetes.io/default-container: {{ .component }}
        {{- with merge (dict) $pod.podAnnotations $root.Values.commonAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      serviceAccountName: clonegate-{{ .component }}
      {{- with $root.Values.imagePullSecrets }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $pod.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
      {{- if $pod.hostNetwork }}
      hostNetwork: true
      dnsPolicy: ClusterFirstWithHostNet
      {{- end }}
      securityContext:
        {{- include "clonegate.podSecurityContext" $root | nindent 8 }}
      # Longer than the program gives itself: its drain, and 20 s for what is in hand.
      terminationGracePeriodSeconds: {{ $pod.terminationGracePeriodSeconds }}
      enableServiceLinks: false
      {{- with merge (dict) $pod.nodeSelector (dict "kubernetes.io/os" "linux") }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $pod.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $pod.affinity }}
      affinity:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      topologySpreadConstraints:
        {{- if $pod.topologySpreadConstraints }}
        {{- toYaml $pod.topologySpreadConstraints | nindent 8 }}
        {{- else }}
        {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
        - maxSkew: 1
          topologyKey: {{ . }}
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              {{- $selector | nindent 14 }}
        {{- end }}
        {{- end }}
      containers:
        - name: {{ .component }}
          image: {{ include "clonegate.image" $root }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          command: [/nodejs/bin/node, /app/{{ .component }}.mjs]
          args:
            {{- include "clonegate.flags" .flags | trim | nindent 12 }}
            {{- with $pod.extraArgs }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          env:
            - name: POD_NAME
              valueFrom:
                fieldRef:
                  fieldPath: metadata.name
            {{- with $pod.extraEnv }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          ports:
            {{- with .port }}
            - name: https
              containerPort: {{ . }}
            {{- end }}
            - name: ops
              containerPort: {{ $pod.opsPort }}
          # Until keys and certificates are there, which the programs make for each other at first.
          startupProbe:
            httpGet: {path: /livez, port: ops}
            periodSeconds: 2
            failureThreshold: 90
          livenessProbe:
            httpGet: {path: /livez, port: ops}
            {{- toYaml $pod.livenessProbe | nindent 12 }}
          readinessProbe:
            httpGet: {path: /readyz, port: ops}
            {{- toYaml $pod.readinessProbe | nindent 12 }}
          resources:
            {{- toYaml $pod.resources | nindent 12 }}
          securityContext:
            {{- include "clonegate.securityContext" $root | nindent 12 }}
          {{- with concat .mounts $pod.extraVolumeMounts }}
          volumeMounts:
            {{- toYaml . | nindent 12 }}
          {{- end }}
        {{- with $pod.extraContainers }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with concat .volumes $pod.extraVolumes }}
      volumes:
        {{- toYaml . | nindent 8 }}
      {{- end }}
{{- end -}}

{{- /* Takes root and component. */ -}}
{{- define "clonegate.podDisruptionBudget" -}}
{{- $budget := (index .root.Values .component).podDisruptionBudget -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "clonegate.metadata" (merge (dict "name" (printf "clonegate-%s" .component)) .) | nindent 2 }}
spec:
  {{- range $bound := list "minAvailable" "maxUnavailable" }}
  {{- if ne (toString (index $budget $bound)) "" }}
  {{ $bound }}: {{ index $budget $bound }}
  {{- end }}
  {{- end }}
  # A pod that is not ready serves nobody, and must not keep its node from being drained.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "clonegate.selector" . | nindent 6 }}
{{- end -}}

{{- /* Takes root, component and ports. */ -}}
{{- define "clonegate.service" -}}
{{- $service := .root.Values.service -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "clonegate.metadata" (merge (dict "name" (printf "clonegate-%s" .component)) .) | nindent 2 }}
spec:
  type: ClusterIP
  {{- with $service.ipFamilyPolicy }}
  ipFamilyPolicy: {{ . }}
  {{- end }}
  {{- with $service.ipFamilies }}
  ipFamilies: {{- toYaml . | nindent 4 }}
  {{- end }}
  ports:
    {{- toYaml .ports | nindent 4 }}
  selector:
    {{- include "clonegate.selector" . | nindent 4 }}
{{- end -}}

{{- /* Takes root, component and ports: what others reach. */ -}}
{{- define "clonegate.networkPolicy" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "clonegate.metadata" (merge (dict "name" (printf "clonegate-%s" .component)) .) | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "clonegate.selector" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    {{- with .port }}
    # From anywhere: the API server is no pod, and no selector finds it.
    - ports:
        - protocol: TCP
          port: {{ . }}
    {{- end }}
    - ports:
        - protocol: TCP
          port: {{ (index .root.Values .component).opsPort }}
      {{- with .root.Values.networkPolicy.metricsFrom }}
      from:
        {{- toYaml . | nindent 8 }}
      {{- end }}
  egress:
    {{- toYaml .root.Values.networkPolicy.egress | nindent 4 }}
{{- end -}}
