# AnomalyGPT as a service. `docker compose up` runs it with PostgreSQL and Prometheus; alone:
#   docker build -t anomalygpt . && docker run -p 127.0.0.1:7860:7860 -v anomalygpt:/data anomalygpt
ARG PYTHON=3.12
FROM python:${PYTHON}-slim

# Where pip finds a torch without CUDA, see README; left empty, the usual one with CUDA is taken.
ARG CPU_INDEX=""

RUN useradd --create-home --uid 10001 anomalygpt \
    && mkdir /data && chown anomalygpt:anomalygpt /data
WORKDIR /srv/anomalygpt
COPY requirements/pinned.txt requirements/pinned.txt
RUN if [ -n "$CPU_INDEX" ]; then \
        pip install --no-cache-dir --index-url "$CPU_INDEX" \
            $(grep -E '^torch(vision)?==' requirements/pinned.txt | sed 's/ *;.*//'); \
    fi
COPY . .
RUN pip install --no-cache-dir -c requirements/pinned.txt ".[postgres,scale,watch]"

USER anomalygpt
ENV ANOMALYGPT_DATA=/data ANOMALYGPT_CACHE=/data/cache HF_HUB_OFFLINE=1 PYTHONUNBUFFERED=1
VOLUME /data
EXPOSE 7860
# The first answer waits for the model: some seconds on a CPU.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:7860/health/ready', timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["anomalygpt"]
CMD ["serve", "--host", "0.0.0.0"]
