# Our own code and nothing else: libraries and interpreter are this machine's, which the node mounts below /opt.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
# An environment as the whole images have it, made of what is mounted: paths of this machine mean nothing in a pod.
ARG PYTHON
RUN mkdir -p /opt/environment /opt/interpreter /opt/venv/bin "/opt/venv/lib/${PYTHON}" \
    && ln -s "/opt/interpreter/bin/${PYTHON}" /opt/venv/bin/python \
    && ln -s "/opt/environment/lib/${PYTHON}/site-packages" "/opt/venv/lib/${PYTHON}/site-packages" \
    && ln -s "/opt/interpreter/lib/lib${PYTHON}.so.1.0" /usr/lib/ \
    && printf 'home = /opt/interpreter/bin\n' >/opt/venv/pyvenv.cfg
# Programs that execute, not links: a link would lose the environment. Found in a login shell, too, which KubeRay uses.
ARG PROGRAMS
RUN rm -f /usr/local/bin/python /usr/local/bin/python3 \
    && for program in python python3; do \
        printf '#!/bin/sh\nexec /opt/venv/bin/python "$@"\n' >"/usr/local/bin/${program}" || exit; \
    done \
    && for program in ${PROGRAMS}; do \
        printf '#!/bin/sh\nexec /opt/venv/bin/python /opt/environment/bin/%s "$@"\n' "${program}" \
            >"/usr/local/bin/${program}" || exit; \
    done \
    && chmod 755 /usr/local/bin/* \
    && echo 'gopd:x:1000:1000::/tmp:/usr/sbin/nologin' >>/etc/passwd
ARG PACKAGE
COPY crds/src tracking/src ${PACKAGE}/src /opt/gopd/
ENV PYTHONPATH=/opt/gopd HOME=/tmp LOGNAME=gopd PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /tmp
USER 1000:1000
