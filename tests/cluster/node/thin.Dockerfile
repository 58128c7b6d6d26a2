# Our own code and the machine's environment, which the node mounts at the same path: no library is in the image.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
ARG PACKAGE
COPY crds/src tracking/src ${PACKAGE}/src /opt/gopd/
ARG ENVIRONMENT
ARG PROGRAMS
# Programs that execute, not links: a link would lose the environment. Found in a login shell, too, which KubeRay uses.
RUN for program in ${PROGRAMS}; do \
        rm -f "/usr/local/bin/${program}" \
        && printf '#!/bin/sh\nexec %s/bin/%s "$@"\n' "${ENVIRONMENT}" "${program}" >"/usr/local/bin/${program}" \
        && chmod 755 "/usr/local/bin/${program}" || exit; \
    done \
    && echo 'gopd:x:1000:1000::/tmp:/usr/sbin/nologin' >>/etc/passwd
ENV PYTHONPATH=/opt/gopd HOME=/tmp LOGNAME=gopd PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /tmp
USER 1000:1000
