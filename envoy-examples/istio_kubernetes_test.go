package envoyexamples

// What stands in the manifests of the example istio, of the types of Kubernetes' API.
type (
	objectMeta struct {
		Name        string            `json:"name"`
		Namespace   string            `json:"namespace"`
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
	}
	labelSelector struct {
		MatchLabels map[string]string `json:"matchLabels"`
	}
	kubeService struct {
		Type                  string            `json:"type"`
		ExternalTrafficPolicy string            `json:"externalTrafficPolicy"`
		Selector              map[string]string `json:"selector"`
		Ports                 []struct {
			Name        string `json:"name"`
			Port        int    `json:"port"`
			TargetPort  any    `json:"targetPort"`
			AppProtocol string `json:"appProtocol"`
		} `json:"ports"`
	}
	deployment struct {
		Replicas int           `json:"replicas"`
		Selector labelSelector `json:"selector"`
		Template podTemplate   `json:"template"`
	}
	statefulSet struct {
		deployment
		ServiceName          string `json:"serviceName"`
		VolumeClaimTemplates []struct {
			Metadata objectMeta `json:"metadata"`
			Spec     struct {
				AccessModes []string  `json:"accessModes"`
				Resources   resources `json:"resources"`
			} `json:"spec"`
		} `json:"volumeClaimTemplates"`
	}
	podTemplate struct {
		Metadata objectMeta `json:"metadata"`
		Spec     struct {
			ServiceAccountName            string      `json:"serviceAccountName"`
			AutomountServiceAccountToken  *bool       `json:"automountServiceAccountToken"`
			TerminationGracePeriodSeconds int         `json:"terminationGracePeriodSeconds"`
			SecurityContext               security    `json:"securityContext"`
			Containers                    []container `json:"containers"`
			Volumes                       []struct {
				Name     string    `json:"name"`
				EmptyDir *struct{} `json:"emptyDir"`
			} `json:"volumes"`
		} `json:"spec"`
	}
	container struct {
		Name  string   `json:"name"`
		Image string   `json:"image"`
		Env   []envVar `json:"env"`
		Ports []struct {
			Name          string `json:"name"`
			ContainerPort int    `json:"containerPort"`
		} `json:"ports"`
		StartupProbe    probe     `json:"startupProbe"`
		ReadinessProbe  probe     `json:"readinessProbe"`
		LivenessProbe   probe     `json:"livenessProbe"`
		Resources       resources `json:"resources"`
		SecurityContext security  `json:"securityContext"`
		VolumeMounts    []struct {
			Name      string `json:"name"`
			MountPath string `json:"mountPath"`
		} `json:"volumeMounts"`
	}
	envVar struct {
		Name      string `json:"name"`
		Value     string `json:"value"`
		ValueFrom struct {
			SecretKeyRef struct {
				Name string `json:"name"`
				Key  string `json:"key"`
			} `json:"secretKeyRef"`
		} `json:"valueFrom"`
	}
	probe struct {
		HTTPGet struct {
			Path string `json:"path"`
			Port any    `json:"port"`
		} `json:"httpGet"`
		PeriodSeconds    int `json:"periodSeconds"`
		FailureThreshold int `json:"failureThreshold"`
	}
	resources struct {
		Requests map[string]string `json:"requests"`
		Limits   map[string]string `json:"limits"`
	}
	security struct {
		RunAsNonRoot             bool  `json:"runAsNonRoot"`
		RunAsUser                int   `json:"runAsUser"`
		RunAsGroup               int   `json:"runAsGroup"`
		FSGroup                  int   `json:"fsGroup"`
		AllowPrivilegeEscalation *bool `json:"allowPrivilegeEscalation"`
		ReadOnlyRootFilesystem   bool  `json:"readOnlyRootFilesystem"`
		Capabilities             struct {
			Drop []string `json:"drop"`
		} `json:"capabilities"`
		SeccompProfile struct {
			Type string `json:"type"`
		} `json:"seccompProfile"`
	}
	networkPolicy struct {
		PodSelector labelSelector `json:"podSelector"`
		PolicyTypes []string      `json:"policyTypes"`
		Ingress     []struct {
			From []struct {
				NamespaceSelector labelSelector `json:"namespaceSelector"`
			} `json:"from"`
			Ports []struct {
				Protocol string `json:"protocol"`
				Port     int    `json:"port"`
			} `json:"ports"`
		} `json:"ingress"`
	}
	rule struct {
		APIGroups []string `json:"apiGroups"`
		Resources []string `json:"resources"`
		Verbs     []string `json:"verbs"`
	}
	roleRef struct {
		APIGroup string `json:"apiGroup"`
		Kind     string `json:"kind"`
		Name     string `json:"name"`
	}
	subject struct {
		Kind string `json:"kind"`
		Name string `json:"name"`
	}
)
