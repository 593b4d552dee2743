package main

import (
	"bufio"
	"os/exec"
	"testing"
	"time"
)

// sshd serves each client with children that end with it: what they have cost
// must not be forgotten, with control groups and without.
func TestEndedChildrenCount(t *testing.T) {
	made, err := openGroups()
	if err != nil {
		t.Logf("without control groups alone: %v", err)
	}
	t.Cleanup(func() {
		if err := made.close(); err != nil {
			t.Error(err)
		}
	})
	ways := map[string]*groups{"from proc": nil}
	if made != nil {
		ways["by group"] = made
	}
	for name, g := range ways {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command("sh", "-c", `(i=0; while [ $i -lt 400000 ]; do i=$((i+1)); done); echo; exec sleep 60`)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			p, err := launch(cmd, g, "child")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
				t.Error(err)
			}
			spent, err := p.processorTime()
			if err != nil || spent < 30*time.Millisecond {
				t.Errorf("%v for a child that counted to 400,000: %v", spent, err)
			}
			if used, err := p.memory(); err != nil || used == 0 {
				t.Errorf("%d bytes of memory: %v", used, err)
			}
			if err := p.stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A server that leaves children behind, or closes its ears, is ended all the same.
func TestNothingIsLeft(t *testing.T) {
	made, err := openGroups()
	if err != nil {
		made = nil
	}
	cmd := exec.Command("sh", "-c", `sleep 600 & echo; wait`)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p, err := launch(cmd, made, "parent")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Error(err)
	}
	pids, err := p.pids()
	if err != nil || len(pids) != 2 {
		t.Errorf("processes %v: %v", pids, err)
	}
	if err := p.stop(); err != nil {
		t.Error(err)
	}
	for _, pid := range pids {
		for stat, err := statOf(pid); err == nil && stat[0] != "Z"; stat, err = statOf(pid) {
			if time.Sleep(time.Millisecond); t.Context().Err() != nil {
				t.Fatalf("process %d goes on", pid)
			}
		}
	}
	if err := made.close(); err != nil {
		t.Error(err)
	}
}
